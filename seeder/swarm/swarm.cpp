/*
 * Owns libtorrent: the session, its settings, its alerts, a node's disk I/O and the exact count of bytes by
 * peer address. Knows nothing of trackers' policy, of digests or of what the file means. No exception leaves
 * this file.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* a function and a struct of one name are usual in C */
extern "C" {
#include "imager/base/io.h"
#include "seeder/swarm/datafile.h"
}
#include "seeder/swarm/swarm.h"
#pragma GCC diagnostic pop

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/bdecode.hpp>
#include <libtorrent/bencode.hpp>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/extensions.hpp>
#include <libtorrent/extensions/smart_ban.hpp>
#include <libtorrent/hasher.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/mmap_disk_io.hpp>
#include <libtorrent/peer_class.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

namespace
{
namespace lt = libtorrent;
using pack = lt::settings_pack;

constexpr int kib = 1024, mib = 1024 * 1024;
/* Each hop of a chain is some pieces behind the one before it, so they are small; the .torrent of the most is
 * 160 KiB. */
constexpr uint32_t piece_min = 128 * kib, piece_max = 16 * mib;
constexpr uint64_t pieces_wanted = 8192;

/* Integers and booleans alike; the name carries the type. Where both columns agree the reason is common. */
struct setting {
	int name;
	int seeder, node;
};

const setting settings[] = {
	/* uTP is 60 to 100 times slower than TCP on a LAN. */
	{pack::enable_outgoing_utp, 0, 0},
	{pack::enable_incoming_utp, 0, 0},
	{pack::mixed_mode_algorithm, pack::prefer_tcp, pack::prefer_tcp},
	/* No strangers, and nobody but the tracker shapes the swarm. */
	{pack::enable_dht, 0, 0},
	{pack::enable_lsd, 0, 0},
	{pack::enable_upnp, 0, 0},
	{pack::enable_natpmp, 0, 0},
	/* RC4 proves nothing and takes two thirds of the speed. */
	{pack::out_enc_policy, pack::pe_disabled, pack::pe_disabled},
	{pack::in_enc_policy, pack::pe_disabled, pack::pe_disabled},
	/* Else an upstream whose last HAVE is on its way is dropped and the last piece waits for a reconnect.
	 */
	{pack::close_redundant_connections, 0, 0},
	/* Rejoin quickly after a crash; agents start before their upstream does. */
	{pack::min_reconnect_time, 1, 1},
	{pack::max_failcount, 100, 100},
	/* Deep queues hoard blocks that others have; 64 costs no speed at LAN round trips. The second is what
	 * the other side is told: it would raise the first. */
	{pack::max_out_request_queue, 64, 64},
	{pack::max_allowed_in_request_queue, 64, 64},
	{pack::request_queue_time, 1, 1},
	{pack::whole_pieces_threshold, 0, 0},
	/* A dead node costs seconds, not minutes. */
	{pack::request_timeout, 3, 3},
	{pack::piece_timeout, 3, 3},
	{pack::peer_timeout, 10, 10},
	{pack::peer_connect_timeout, 4, 4},
	{pack::handshake_timeout, 5, 5},
	/* libtorrent raises the tracker's interval to this; its default is five minutes. */
	{pack::min_announce_interval, 1, 1},
	{pack::tracker_backoff, 20, 20},
	{pack::tracker_completion_timeout, 10, 10},
	{pack::tracker_receive_timeout, 8, 8},
	/* Bounds swarm_free when the tracker does not answer. */
	{pack::stop_tracker_timeout, 1, 1},
	{pack::num_want, 8, 8},
	/* One tracker at a time: each hands out one upstream of its own, and with two, every node would feed
	 * two.
	 */
	{pack::announce_to_all_trackers, 0, 0},
	{pack::announce_to_all_tiers, 0, 0},
	/* All nodes are powered on at once. Fan-out is limited by the tracker, never here: small limits make
	 * islands that do not heal. */
	{pack::listen_queue_size, 1024, 1024},
	{pack::connections_limit, 4000, 500},
	{pack::max_peerlist_size, 16000, 2000},
	{pack::connection_speed, 200, 200},
	{pack::smooth_connects, 0, 0},
	{pack::torrent_connect_boost, 60, 60},
	/* The port is given to others; another one is of no use. */
	{pack::max_retry_port_bind, 0, 0},
	{pack::listen_system_port_fallback, 0, 0},
	/* A steady graph: everybody whom the tracker sent is served. */
	{pack::choking_algorithm, pack::fixed_slots_choker, pack::fixed_slots_choker},
	{pack::unchoke_slots_limit, -1, -1},
	{pack::allowed_fast_set_size, 0, 0},
	{pack::peer_turnover, 0, 0},
	{pack::auto_sequential, 0, 0},
	{pack::strict_end_game_mode, 1, 1},
	{pack::seeding_outgoing_connections, 0, 0},
	/* About 10 % on one flow. The low one also of a node: with 64 KiB a chain begins at two thirds of its
	 * speed, 3 s long. Socket buffers stay with the kernel: setting them ends its autotuning. */
	{pack::send_buffer_low_watermark, 1 * mib, 1 * mib},
	{pack::send_buffer_watermark, 3 * mib, 3 * mib},
	{pack::send_buffer_watermark_factor, 150, 150},
	{pack::send_not_sent_low_watermark, 128 * kib, 128 * kib},
	/* The default of 1 MiB is 64 blocks. */
	{pack::max_queued_disk_bytes, 32 * mib, 32 * mib},
	{pack::aio_threads, 4, 4},
	{pack::hashing_threads, 1, 1},
	/* A write into a mapping of a full tmpfs is SIGBUS; pwrite gives ENOSPC. */
	{pack::disk_write_mode, pack::always_pwrite, pack::always_pwrite},
	{pack::optimistic_disk_retry, 5, 5},
	{pack::tick_interval, 100, 100},
	{pack::rate_limit_ip_overhead, 0, 0},
	{pack::alert_queue_size, 10000, 10000},
};

int rate_of(uint64_t bytes)
{
	return int(std::min<uint64_t>(bytes, INT_MAX));
}

pack settings_for(const swarm_options &options)
{
	pack p;

	for (const setting &row : settings) {
		int value = options.role == SWARM_SEEDER ? row.seeder : row.node;

		if ((row.name & pack::type_mask) == pack::bool_type_base)
			p.set_bool(row.name, value != 0);
		else
			p.set_int(row.name, value);
	}
	p.set_int(pack::upload_rate_limit, rate_of(options.upload_rate));
	p.set_int(pack::alert_mask, int(uint32_t(lt::alert_category::error | lt::alert_category::status |
						 lt::alert_category::storage)));
	p.set_str(pack::dht_bootstrap_nodes, "");
	p.set_str(pack::listen_interfaces, options.listen);
	p.set_str(pack::peer_fingerprint, "-NB0100-");
	p.set_str(pack::user_agent, "swarmboot/" SWARMBOOT_VERSION);
	return p;
}

/* Owns the eventfd; outlives the session, whose thread writes to it. */
struct event_fd {
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	event_fd() = default;
	event_fd(const event_fd &) = delete;
	event_fd &operator=(const event_fd &) = delete;
	~event_fd()
	{
		if (fd >= 0)
			(void)close(fd);
	}
};

/* Payload received, counted block by block as it comes: written by the network thread, read by ours. */
struct counters {
	std::atomic<uint64_t> all{0}, marked{0};
};

using address_set = std::set<lt::address>;

/*
 * Counts what comes from a peer, and ends the connection when nothing comes for what was asked. The library
 * waits peer_timeout for that, and gives meanwhile one block in request_timeout to others: a node whose
 * upstream died with the next pieces asked of it has another upstream by then, but may ask it for nothing.
 */
struct peer_counter final : lt::peer_plugin {
	static constexpr auto patience = std::chrono::seconds(4);

	peer_counter(const lt::peer_connection_handle &p, std::shared_ptr<counters> c, bool is_marked)
	    : peer(p), count(std::move(c)), marked(is_marked)
	{
	}

	bool on_piece(const lt::peer_request &, lt::span<const char> data) override
	{
		count->all += uint64_t(data.size());
		if (marked)
			count->marked += uint64_t(data.size());
		answered(1);
		return false;
	}

	void sent_request(const lt::peer_request &) override
	{
		if (asked++ == 0)
			since = lt::clock_type::now();
	}

	void sent_cancel(const lt::peer_request &) override
	{
		answered(1);
	}

	bool on_reject(const lt::peer_request &) override
	{
		answered(1);
		return false;
	}

	bool on_choke() override
	{
		answered(asked);
		return false;
	}

	void tick() override
	{
		if (asked > 0 && lt::clock_type::now() - since >= patience)
			peer.disconnect(lt::errors::timed_out, lt::operation_t::bittorrent);
	}

	void answered(int blocks)
	{
		asked = std::max(0, asked - blocks);
		since = lt::clock_type::now();
	}

	lt::peer_connection_handle peer;
	std::shared_ptr<counters> count;
	bool marked;
	int asked = 0; /* blocks */
	lt::time_point since;
};

struct torrent_counter final : lt::torrent_plugin {
	torrent_counter(std::shared_ptr<counters> c, address_set m) : count(std::move(c)), marks(std::move(m))
	{
	}

	std::shared_ptr<lt::peer_plugin> new_connection(const lt::peer_connection_handle &peer) override
	{
		bool marked = marks.count(peer.remote().address()) != 0;

		return std::make_shared<peer_counter>(peer, count, marked);
	}

	std::shared_ptr<counters> count;
	address_set marks;
};

/* A refusal with its sentence, on its way to the C side. */
struct failure {
	int code;
	std::string text;
};

[[noreturn]] void refuse(int code, const std::string &text)
{
	throw failure{code, text};
}

/* Called in a handler: whatever is in flight becomes err and -errno. */
int caught(struct err *err)
{
	try {
		throw;
	} catch (const failure &f) {
		return err_set(err, f.code, "%s", f.text.c_str());
	} catch (const std::bad_alloc &) {
		return err_oom(err, "the swarm");
	} catch (const lt::system_error &e) {
		bool system = e.code().category() == lt::system_category() ||
			      e.code().category() == lt::generic_category();

		return err_set(err, system ? e.code().value() : EIO, "%s", e.code().message().c_str());
	} catch (const std::exception &e) {
		return err_set(err, EIO, "%s", e.what());
	} catch (...) {
		return err_set(err, EIO, "unknown failure of the BitTorrent library");
	}
}

bool name_is_plain(lt::string_view name)
{
	return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
	       name.find('/') == lt::string_view::npos && name.find('\0') == lt::string_view::npos;
}

/*
 * Exactly the five keys that swarm_make_torrent writes: whatever else BEP 3, 47 or 52 allow (lists of files,
 * padding, links, hybrid hashes) is refused before libtorrent interprets it.
 */
void check_info(const lt::bdecode_node &info)
{
	if (!info || info.dict_size() != 5 || !info.dict_find_int("length") ||
		!info.dict_find_int("piece length") || !info.dict_find_string("pieces"))
		refuse(EBADMSG, "torrent: not a v1 torrent of one file");
	if (info.dict_find_int_value("private") != 1)
		refuse(EBADMSG, "torrent: not private");
	if (!name_is_plain(info.dict_find_string_value("name")))
		refuse(EBADMSG, "torrent: its file name is no plain name");
	if (info.dict_find_int_value("length") <= 0)
		refuse(EBADMSG, "torrent: its file is empty");
}

std::shared_ptr<lt::torrent_info> load(const char *torrent, size_t len)
{
	lt::error_code ec;
	lt::span<const char> bytes{torrent, std::ptrdiff_t(len)};
	lt::bdecode_node root = lt::bdecode(bytes, ec);

	if (ec || root.type() != lt::bdecode_node::dict_t)
		refuse(EBADMSG, "torrent: not bencoded");
	check_info(root.dict_find_dict("info"));
	try {
		auto info = std::make_shared<lt::torrent_info>(root, lt::load_torrent_limits{});

		if (!info->v1() || info->v2() || info->num_files() != 1)
			refuse(EBADMSG, "torrent: not a v1 torrent of one file");
		return info;
	} catch (const lt::system_error &e) {
		refuse(EBADMSG, "torrent: " + e.code().message());
	}
}

/* True: it was not there, so nothing need be checked. */
bool prepare_file(const std::string &path, int64_t size, int complete)
{
	struct err err = {};
	int r = datafile_prepare(path.c_str(), uint64_t(size), complete, &err);

	if (r < 0)
		refuse(-r, err.text);
	return r == 1;
}

std::string directory_of(const std::string &path)
{
	size_t slash = path.rfind('/');

	if (slash == std::string::npos)
		return ".";
	return slash == 0 ? "/" : path.substr(0, slash);
}

lt::add_torrent_params params_for(const swarm_torrent &t)
{
	lt::add_torrent_params p;
	std::string path = t.path;

	p.ti = load(t.torrent, t.len);
	p.save_path = directory_of(path);
	p.renamed_files[lt::file_index_t{0}] = path.substr(path.rfind('/') + 1);
	p.storage_mode = lt::storage_mode_allocate;
	p.flags = lt::torrent_flags::disable_pex | lt::torrent_flags::disable_dht |
		  lt::torrent_flags::disable_lsd | lt::torrent_flags::update_subscribe |
		  lt::torrent_flags::duplicate_is_error;
	if (t.paused)
		p.flags |= lt::torrent_flags::paused;
	for (const char *const *url = t.trackers; url && *url; url++) {
		p.tracker_tiers.push_back(int(p.trackers.size()));
		p.trackers.push_back(*url);
	}
	bool fresh = prepare_file(path, p.ti->total_size(), t.complete);
	if (t.complete) {
		/* Whatever happens, nothing is written into a file of the store. */
		p.flags |= lt::torrent_flags::seed_mode | lt::torrent_flags::upload_mode;
		/* Without the bits the first read of every piece is hashed: 530 -> 380 MiB/s. */
		p.verified_pieces.resize(p.ti->num_pieces(), true);
	} else {
		p.flags |= lt::torrent_flags::sequential_download;
		/* Says that nothing is there, so that the zeros just allocated are not hashed. */
		if (fresh)
			p.have_pieces.resize(p.ti->num_pieces(), false);
	}
	return p;
}

/* A torrent's data file and where its pieces are in it. */
struct data_file {
	data_file(const lt::storage_params &p, const lt::file_storage &f)
	    : layout(f), path((p.mapped_files ? p.mapped_files : &f)->file_path(lt::file_index_t{0}, p.path)),
	      file{path.c_str(), uint64_t(f.total_size()), -1, 0}
	{
	}
	data_file(const data_file &) = delete;
	data_file &operator=(const data_file &) = delete;
	~data_file()
	{
		datafile_close(&file);
	}

	uint64_t offset(lt::piece_index_t piece, int start) const
	{
		return uint64_t(static_cast<int>(piece)) * uint64_t(layout.piece_length()) + uint64_t(start);
	}

	int read(char *data, int len, lt::piece_index_t piece, int start)
	{
		return datafile_read(&file, data, size_t(len), offset(piece, start));
	}

	int write(const char *data, int len, lt::piece_index_t piece, int start)
	{
		return datafile_write(&file, data, size_t(len), offset(piece, start));
	}

	const lt::file_storage &layout;
	const std::string path;
	datafile file;
};

lt::storage_error storage_error_of(int r, lt::operation_t operation)
{
	lt::storage_error error;

	if (r == -ENODATA) /* it is hashed piece by piece then, what is missing is fetched */
		error.ec = lt::errors::make_error_code(lt::errors::file_too_short);
	else if (r < 0)
		error.ec.assign(-r, lt::system_category());
	if (r < 0) {
		error.operation = operation;
		error.file(lt::file_index_t{0});
	}
	return error;
}

/*
 * What a node's session does with its files: all on the network thread, the file kept open. The library's own
 * posix_disk_io opens, sizes and closes it for each block of 16 KiB, and reads what it hashes the same way.
 * Every answer is posted, since the library is not to be called from within its own call. Files are neither
 * moved, renamed nor deleted here.
 */
struct tmpfs_io final : lt::disk_interface, lt::buffer_allocator_interface {
	explicit tmpfs_io(lt::io_context &c) : context(c)
	{
	}

	lt::storage_holder new_torrent(const lt::storage_params &p, const std::shared_ptr<void> &) override
	{
		files.push_back(std::make_unique<data_file>(p, p.files));
		return {lt::storage_index_t(uint32_t(files.size() - 1)), *this};
	}

	void remove_torrent(lt::storage_index_t at) override
	{
		files[uint32_t(at)].reset();
	}

	void async_read(lt::storage_index_t at, const lt::peer_request &r,
		std::function<void(lt::disk_buffer_holder, const lt::storage_error &)> done,
		lt::disk_job_flags_t) override
	{
		lt::disk_buffer_holder block(*this, new (std::nothrow) char[size_t(r.length)], r.length);
		auto error = storage_error_of(
			block ? of(at).read(block.data(), r.length, r.piece, r.start) : -ENOMEM,
			lt::operation_t::file_read);

		lt::post(context, [done = std::move(done), block = std::move(block), error]() mutable {
			done(std::move(block), error);
		});
	}

	bool async_write(lt::storage_index_t at, const lt::peer_request &r, const char *data,
		std::shared_ptr<lt::disk_observer>, std::function<void(const lt::storage_error &)> done,
		lt::disk_job_flags_t) override
	{
		auto error = storage_error_of(
			of(at).write(data, r.length, r.piece, r.start), lt::operation_t::file_write);

		lt::post(context, [done = std::move(done), error] { done(error); });
		return false;
	}

	void async_hash(lt::storage_index_t at, lt::piece_index_t piece, lt::span<lt::sha256_hash>,
		lt::disk_job_flags_t,
		std::function<void(lt::piece_index_t, const lt::sha1_hash &, const lt::storage_error &)> done)
		override
	{
		data_file &file = of(at);
		lt::hasher hash;
		int size = file.layout.piece_size(piece), r = 0;

		for (int start = 0; r == 0 && start < size; start += int(scratch.size())) {
			int len = std::min(int(scratch.size()), size - start);

			r = file.read(scratch.data(), len, piece, start);
			hash.update(lt::span<const char>{scratch.data(), len});
		}
		lt::post(context, [done = std::move(done), piece, sum = hash.final(),
					  error = storage_error_of(r, lt::operation_t::file_read)] {
			done(piece, sum, error);
		});
	}

	/* Torrents of version 2 are refused before they get here. */
	void async_hash2(lt::storage_index_t, lt::piece_index_t piece, int, lt::disk_job_flags_t,
		std::function<void(lt::piece_index_t, const lt::sha256_hash &, const lt::storage_error &)>
			done) override
	{
		lt::post(context, [done = std::move(done), piece] { done(piece, {}, unsupported()); });
	}

	/* A file that another one has changed the size of, or of which nothing is known, is hashed whole. */
	void async_check_files(lt::storage_index_t at, const lt::add_torrent_params *told,
		lt::aux::vector<std::string, lt::file_index_t>,
		std::function<void(lt::status_t, const lt::storage_error &)> done) override
	{
		bool known =
			told && (!told->have_pieces.empty() || (told->flags & lt::torrent_flags::seed_mode));
		int sized = datafile_is_sized(&of(at).file);
		lt::status_t status = sized < 0        ? lt::status_t::fatal_disk_error
				      : sized && known ? lt::status_t::no_error
						       : lt::status_t::need_full_check;

		lt::post(context, [done = std::move(done), status,
					  error = storage_error_of(sized, lt::operation_t::file_stat)] {
			done(status, error);
		});
	}

	void async_release_files(lt::storage_index_t at, std::function<void()> done) override
	{
		datafile_close(&of(at).file);
		if (done)
			lt::post(context, std::move(done));
	}

	void async_stop_torrent(lt::storage_index_t at, std::function<void()> done) override
	{
		datafile_close(&of(at).file);
		if (done)
			lt::post(context, std::move(done));
	}

	void async_clear_piece(lt::storage_index_t, lt::piece_index_t piece,
		std::function<void(lt::piece_index_t)> done) override
	{
		lt::post(context, [done = std::move(done), piece] { done(piece); });
	}

	void async_move_storage(lt::storage_index_t, std::string path, lt::move_flags_t,
		std::function<void(lt::status_t, const std::string &, const lt::storage_error &)> done)
		override
	{
		lt::post(context, [done = std::move(done), path = std::move(path)] {
			done(lt::status_t::fatal_disk_error, path, unsupported());
		});
	}

	void async_rename_file(lt::storage_index_t, lt::file_index_t file, std::string name,
		std::function<void(const std::string &, lt::file_index_t, const lt::storage_error &)> done)
		override
	{
		lt::post(context, [done = std::move(done), file, name = std::move(name)] {
			done(name, file, unsupported());
		});
	}

	void async_delete_files(lt::storage_index_t, lt::remove_flags_t,
		std::function<void(const lt::storage_error &)> done) override
	{
		lt::post(context, [done = std::move(done)] { done(unsupported()); });
	}

	void async_set_file_priority(lt::storage_index_t,
		lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
		std::function<void(const lt::storage_error &,
			lt::aux::vector<lt::download_priority_t, lt::file_index_t>)>
			done) override
	{
		lt::post(context, [done = std::move(done), priorities = std::move(priorities)]() mutable {
			done({}, std::move(priorities));
		});
	}

	void free_disk_buffer(char *block) override
	{
		delete[] block;
	}

	void update_stats_counters(lt::counters &) const override
	{
	}
	std::vector<lt::open_file_state> get_status(lt::storage_index_t) const override
	{
		return {};
	}
	void abort(bool) override
	{
	}
	void submit_jobs() override
	{
	}
	void settings_updated() override
	{
	}

	data_file &of(lt::storage_index_t at)
	{
		return *files[uint32_t(at)];
	}

	static lt::storage_error unsupported()
	{
		return storage_error_of(-EOPNOTSUPP, lt::operation_t::unknown);
	}

	lt::io_context &context;
	std::vector<std::unique_ptr<data_file>> files;
	std::vector<char> scratch = std::vector<char>(64 * kib);
};

std::unique_ptr<lt::disk_interface> make_tmpfs_io(
	lt::io_context &context, const lt::settings_interface &, lt::counters &)
{
	return std::make_unique<tmpfs_io>(context);
}

bool port_in_use(lt::session &session, std::string &why)
{
	std::vector<lt::alert *> alerts;

	if (session.listen_port() != 0)
		return false;
	session.pop_alerts(&alerts);
	for (const lt::alert *a : alerts)
		if (const auto *failed = lt::alert_cast<lt::listen_failed_alert>(a))
			why = failed->error.message();
	return true;
}

/* Bytes of the pieces that are there; only the last one is short. */
uint64_t bytes_of(const lt::torrent_status &st, const lt::torrent_info &info)
{
	lt::piece_index_t last{info.num_pieces() - 1};
	uint64_t bytes = uint64_t(st.num_pieces) * uint64_t(info.piece_length());

	if (st.num_pieces == info.num_pieces())
		return uint64_t(info.total_size());
	if (!st.pieces.empty() && st.pieces[last])
		bytes -= uint64_t(info.piece_length() - info.piece_size(last));
	return bytes;
}
} // namespace

struct swarm {
	struct entry {
		lt::torrent_handle handle;
		std::shared_ptr<const lt::torrent_info> info;
		std::shared_ptr<counters> count;
		std::string path;
		bool complete;
	};

	explicit swarm(lt::session_params params) : session(std::move(params))
	{
	}

	entry *find(int handle)
	{
		if (handle < 0 || size_t(handle) >= torrents.size() ||
			!torrents[size_t(handle)].handle.is_valid())
			return nullptr;
		return &torrents[size_t(handle)];
	}

	void push(swarm_event_kind kind, const lt::torrent_alert &alert, const std::string &text)
	{
		for (size_t i = 0; i < torrents.size(); i++) {
			swarm_event event{kind, int(i), ""};

			if (torrents[i].handle != alert.handle)
				continue;
			(void)snprintf(event.text, sizeof(event.text), "%s", text.c_str());
			events.push_back(event);
		}
	}

	/* A complete torrent begins as finished and stays so. When its file's size is not right any more by
	 * the time libtorrent looks, it is checked and fetched instead. */
	void translate_state(const lt::state_changed_alert &a)
	{
		bool lost = a.state == lt::torrent_status::checking_files ||
			    a.state == lt::torrent_status::downloading;

		for (const entry &e : torrents) {
			if (e.handle != a.handle)
				continue;
			if (e.complete && lost)
				push(SWARM_EVENT_FAILED, a, e.path + ": no longer whole");
			else if (!e.complete && a.state == lt::torrent_status::finished)
				push(SWARM_EVENT_DONE, a, "");
		}
	}

	void translate(const lt::alert *a)
	{
		if (const auto *state = lt::alert_cast<lt::state_changed_alert>(a))
			translate_state(*state);
		else if (const auto *file = lt::alert_cast<lt::file_error_alert>(a))
			push(SWARM_EVENT_FAILED, *file,
				std::string(file->filename()) + ": " + file->error.message());
		else if (const auto *torrent = lt::alert_cast<lt::torrent_error_alert>(a))
			push(SWARM_EVENT_FAILED, *torrent, torrent->error.message());
		else if (const auto *tracker = lt::alert_cast<lt::tracker_error_alert>(a))
			push(SWARM_EVENT_TRACKER, *tracker,
				std::string(tracker->tracker_url()) + ": " +
					(*tracker->failure_reason() ? tracker->failure_reason()
								    : tracker->error.message()));
	}

	event_fd wake;
	std::vector<entry> torrents;
	std::deque<swarm_event> events;
	address_set marks;
	uint16_t port = 0;
	lt::session session;
};

extern "C" struct swarm *swarm_new(const struct swarm_options *options, struct err *err)
try {
	lt::session_params params(settings_for(*options), {});
	lt::ip_filter everybody;
	std::string why = "no such address";

	/* A disk may keep the network thread waiting, so the head has the library's own threads. A node's
	 * tmpfs does not: one thread is 20 MB smaller in RAM and knows no SIGBUS. */
	if (options->role == SWARM_SEEDER)
		params.disk_io_constructor = lt::mmap_disk_io_constructor;
	else
		params.disk_io_constructor = make_tmpfs_io;
	auto s = std::make_unique<swarm>(std::move(params));
	if (s->wake.fd < 0)
		refuse(errno, std::string("eventfd: ") + strerror(errno));
	/* Private addresses count as "local" and escape the rate limit unless they are put in the global
	 * class. */
	everybody.add_rule(lt::make_address("0.0.0.0"), lt::make_address("255.255.255.255"),
		1U << uint32_t(lt::session::global_peer_class_id));
	s->session.set_peer_class_filter(everybody);
	if (port_in_use(s->session, why))
		refuse(EADDRINUSE, std::string("cannot listen on ") + options->listen + ": " + why);
	s->port = s->session.listen_port();
	s->session.set_alert_notify([fd = s->wake.fd] { (void)eventfd_write(fd, 1); });
	return s.release();
} catch (...) {
	(void)caught(err);
	return nullptr;
}

extern "C" void swarm_free(struct swarm *s)
try {
	delete s;
} catch (...) {
	(void)caught(nullptr);
}

extern "C" int swarm_fd(const struct swarm *s)
{
	return s->wake.fd;
}

extern "C" uint16_t swarm_port(const struct swarm *s)
{
	return s->port;
}

extern "C" int swarm_add(struct swarm *s, const struct swarm_torrent *t, struct err *err)
try {
	lt::add_torrent_params params = params_for(*t);
	auto count = std::make_shared<counters>();
	swarm::entry entry{{}, params.ti, count, t->path, t->complete != 0};

	params.extensions.push_back([count, marks = s->marks](const lt::torrent_handle &, lt::client_data_t) {
		return std::make_shared<torrent_counter>(count, marks);
	});
	params.extensions.push_back(lt::create_smart_ban_plugin);
	s->torrents.push_back(entry);
	try {
		s->torrents.back().handle = s->session.add_torrent(std::move(params));
	} catch (const lt::system_error &e) {
		s->torrents.pop_back();
		if (e.code() == lt::errors::duplicate_torrent)
			refuse(EEXIST, std::string(t->path) + ": the torrent is there already");
		throw;
	}
	return int(s->torrents.size()) - 1;
} catch (...) {
	return caught(err);
}

extern "C" void swarm_remove(struct swarm *s, int handle)
try {
	swarm::entry *entry = s->find(handle);

	if (!entry)
		return;
	s->session.remove_torrent(entry->handle);
	entry->handle = lt::torrent_handle();
	entry->info.reset();
} catch (...) {
	(void)caught(nullptr);
}

/* What is done with a torrent that is there. */
template <typename Act> static int with(struct swarm *s, int handle, Act &&act)
try {
	swarm::entry *entry = s->find(handle);

	return entry ? act(*entry) : -ENOENT;
} catch (...) {
	return caught(nullptr);
}

extern "C" int swarm_connect(struct swarm *s, int handle, const char *address, uint16_t port)
{
	return with(s, handle, [&](swarm::entry &e) {
		lt::error_code ec;
		lt::address ip = lt::make_address(address, ec);

		return ec ? -EINVAL : (e.handle.connect_peer(lt::tcp::endpoint(ip, port)), 0);
	});
}

/* Not gracefully: that would wait for the peers. */
extern "C" int swarm_pause(struct swarm *s, int handle, int paused)
{
	return with(
		s, handle, [&](swarm::entry &e) { return paused ? e.handle.pause() : e.handle.resume(), 0; });
}

extern "C" int swarm_announce(struct swarm *s, int handle)
{
	return with(s, handle, [](swarm::entry &e) { return e.handle.force_reannounce(), 0; });
}

extern "C" int swarm_limit(struct swarm *s, uint64_t upload_rate)
try {
	pack p;

	p.set_int(pack::upload_rate_limit, rate_of(upload_rate));
	s->session.apply_settings(p);
	return 0;
} catch (...) {
	return caught(nullptr);
}

extern "C" int swarm_next_event(struct swarm *s, struct swarm_event *ret)
try {
	if (s->events.empty()) {
		std::vector<lt::alert *> alerts;
		eventfd_t wakes;

		/* Cleared before the look, so that what comes in between wakes again. */
		(void)eventfd_read(s->wake.fd, &wakes);
		s->session.pop_alerts(&alerts);
		for (const lt::alert *a : alerts)
			s->translate(a);
	}
	if (s->events.empty())
		return 0;
	*ret = s->events.front();
	s->events.pop_front();
	return 1;
} catch (...) {
	return caught(nullptr);
}

extern "C" int swarm_stats(struct swarm *s, int handle, struct swarm_stats *ret)
try {
	swarm::entry *entry = s->find(handle);

	if (!entry)
		return -ENOENT;
	lt::torrent_status st = entry->handle.status(lt::torrent_handle::query_pieces);
	*ret = {};
	ret->size = uint64_t(entry->info->total_size());
	ret->done = bytes_of(st, *entry->info);
	/* In this order, so that the part is never more than the whole. */
	ret->from_marked = entry->count->marked;
	ret->downloaded = entry->count->all;
	ret->uploaded = uint64_t(st.total_payload_upload);
	ret->wasted = uint64_t(st.total_redundant_bytes + st.total_failed_bytes);
	ret->peers = unsigned(st.num_peers);
	return 0;
} catch (...) {
	return caught(nullptr);
}

extern "C" int swarm_followers(struct swarm *s, int handle, uint64_t bytes)
{
	return with(s, handle, [&](swarm::entry &e) {
		uint64_t size = uint64_t(e.info->total_size());
		std::vector<lt::peer_info> peers;

		e.handle.get_peer_info(peers);
		return int(std::count_if(peers.begin(), peers.end(), [&](const lt::peer_info &p) {
			uint64_t lacks = size - uint64_t(double(size) * p.progress_ppm / 1e6);

			return !(p.flags & lt::peer_info::seed) && lacks <= bytes;
		}));
	});
}

extern "C" int swarm_mark(struct swarm *s, const char *address)
try {
	lt::error_code ec;
	lt::address ip = lt::make_address(address, ec);

	if (ec || !ip.is_v4())
		return -EINVAL;
	s->marks.insert(ip);
	return 0;
} catch (...) {
	return caught(nullptr);
}

extern "C" uint32_t swarm_piece_length(uint64_t size)
{
	uint32_t length = piece_min;

	while (length < piece_max && (size - 1) / length >= pieces_wanted)
		length *= 2;
	return length;
}

/* SHA-1 of every piece, one after another, 20 bytes each. */
static std::string hash_pieces(const swarm_make &make, uint32_t length)
{
	std::vector<char> piece(length);
	std::string hashes;

	for (uint64_t at = 0; at < make.size; at += length) {
		size_t want = size_t(std::min<uint64_t>(length, make.size - at));

		ssize_t n = pread_full(make.fd, piece.data(), want, at);

		if (n < 0)
			refuse(int(-n), std::string(make.name) + ": " + strerror(int(-n)));
		if (size_t(n) < want)
			refuse(EIO, std::string(make.name) + ": ends before its " +
					    std::to_string(make.size) + " bytes");
		lt::sha1_hash hash =
			lt::hasher(lt::span<const char>{piece.data(), std::ptrdiff_t(want)}).final();
		hashes.append(hash.data(), hash.size());
		if (int r = make.progress ? make.progress(at + want, make.arg) : 0; r < 0)
			refuse(-r, std::string(make.name) + ": " + strerror(-r));
	}
	return hashes;
}

extern "C" int swarm_make_torrent(const struct swarm_make *make, struct buf *ret, struct err *err)
try {
	uint32_t length = swarm_piece_length(make->size);
	std::string bytes;
	lt::entry root;

	if (make->size == 0 || make->size > uint64_t(INT64_MAX) || !name_is_plain(make->name))
		refuse(EINVAL, std::string(make->name) + ": an empty file or no plain name");
	lt::entry &info = root["info"];
	info["length"] = int64_t(make->size);
	info["name"] = make->name;
	info["piece length"] = int64_t(length);
	info["pieces"] = hash_pieces(*make, length);
	info["private"] = 1;
	lt::bencode(std::back_inserter(bytes), root);
	if (buf_add(ret, bytes.data(), bytes.size()) < 0)
		return err_oom(err, make->name);
	return 0;
} catch (...) {
	return caught(err);
}

extern "C" int swarm_inspect(const char *torrent, size_t len, struct swarm_info *ret, struct err *err)
try {
	auto info = load(torrent, len);
	lt::sha1_hash hash = info->info_hashes().v1;
	struct swarm_info out = {};

	memcpy(out.infohash, hash.data(), sizeof(out.infohash));
	out.size = uint64_t(info->total_size());
	out.piece_length = uint32_t(info->piece_length());
	(void)snprintf(out.name, sizeof(out.name), "%s", info->name().c_str());
	*ret = out;
	return 0;
} catch (...) {
	return caught(err);
}
