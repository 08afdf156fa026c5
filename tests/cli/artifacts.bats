#!/usr/bin/env bats
# artifacts: fetched from a server of the test's own, found in a folder or in the cache; what is refused.

load store.bash

# Shared by all tests, changed by none.
setup_file() {
	small_tree "$BATS_FILE_TMPDIR/tree"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	mkdir www
	server=
}

teardown() {
	[ -z "$server" ] || kill "$server"
}

# serve: www/ on loopback; $url is its beginning, requests go to requests.log
serve() {
	mkfifo port
	cat >serve.py <<-'END'
		import http.server, sys
		class Handler(http.server.SimpleHTTPRequestHandler):
		    def do_GET(self):
		        print(self.path, file=open("requests.log", "a"), flush=True)
		        if self.path == "/cut":
		            self.send_response(200)
		            self.send_header("Content-Length", "1000")
		            self.end_headers()
		            self.wfile.write(b"short")
		        elif self.path.startswith("/to/"):
		            self.send_response(302)
		            self.send_header("Location", self.path[3:] if self.path != "/to/file" else "file:///etc/passwd")
		            self.end_headers()
		        else:
		            super().do_GET()
		    def log_message(self, *args):
		        pass
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory="www"))
		print(server.server_port, file=open("port", "w"), flush=True)
		server.serve_forever()
	END
	python3 serve.py 3>&- &
	server=$!
	read -r port <port
	url=http://127.0.0.1:$port
	: >requests.log
}

sum() { sha256sum "$1" | cut -d' ' -f1; }

# profile LINE...: p.yaml from the shared tree with these artifacts
profile() {
	printf '%s\n' "name: small" "from: {dir: $BATS_FILE_TMPDIR/tree}" "squashfs: {level: 1}" "artifacts:" "$@" >p.yaml
}

build() {
	swarmboot build --key a.pub --agent /bin/true "$@" p.yaml
}

image() { blob .release.root.digest small; }
in_image() { unsquashfs -cat "$(image)" "$1"; }

@test "an artifact is fetched, also after a redirect, and is the same release from anywhere" {
	serve
	head -c 100000 /dev/urandom >www/tool
	mkdir -p in/tool-1.0/bin
	echo run >in/tool-1.0/bin/run
	chmod 0750 in/tool-1.0/bin/run
	tar -C in --owner 1001 --group 1001 -czf www/tool.tar.gz tool-1.0
	profile "- {url: $url/to/tool, sha256: $(sum www/tool), path: /usr/local/bin/tool, mode: 0755, group: 7}" \
		"- {url: $url/tool.tar.gz, sha256: $(sum www/tool.tar.gz), path: /opt/tool, unpack: true, strip: 1}" \
		"scripts: [{name: uses, run: 'read -r x </opt/tool/bin/run; [ \$x = run ]'}]"
	build --json >one.json
	in_image usr/local/bin/tool | cmp - www/tool
	[[ $(unsquashfs -lln "$(image)" usr/local/bin/tool) == *"-rwxr-xr-x 0/7 "*"100000"* ]]
	[[ $(unsquashfs -lln "$(image)" opt/tool/bin/run) == *"-rwxr-x--- 0/0 "* ]]
	[ "$(sort requests.log | tr '\n' ' ')" = "/to/tool /tool /tool.tar.gz " ]

	# from the cache: nothing is asked for
	: >requests.log
	build --json --offline | jq -e '.new | not'
	[ ! -s requests.log ]

	# from a folder, by name and by digest, without network or cache
	kill "$server"
	server=
	mkdir stock
	cp www/tool.tar.gz stock
	cp www/tool "stock/$(sum www/tool)"
	build --json --no-cache --artifacts stock --offline | jq -e '.new | not'
	rm stock/tool.tar.gz
	run -1 build --no-cache --artifacts stock --offline
	[[ $output == *"p.yaml:6: url: $url/tool.tar.gz: is neither in the cache nor in the folder of --artifacts (as "* ]]
}

@test "what is not the artifact stops the build: place, digests, nothing published" {
	serve
	echo right >www/right
	echo wrong >www/wrong
	right=$(sum www/right)
	wrong=$(sum www/wrong)
	mkdir stock
	cp www/wrong stock/right
	while IFS='|' read -r status path sentence; do
		profile "- url: $url/$path" "  sha256: $right" "  path: /x"
		run -"$status" build
		[[ $output == *"swarmboot build: p.yaml:$sentence"* ]]
	done <<-END
		2|wrong|6: sha256: $url/wrong has the SHA-256 $wrong, and $right is wanted
		1|gone|5: url: $url/gone: curl exited with status 22: curl: (22) The requested URL returned error: 404
		1|cut|5: url: $url/cut: curl exited with status 18: curl: (18) transfer closed with 995 bytes remaining
		1|to/file|5: url: $url/to/file: curl exited with status 1: curl: (1) Protocol "file" not supported
	END
	profile "- url: $url/right" "  sha256: $right" "  path: /x"
	run -2 build --artifacts stock
	[[ $output == *"p.yaml:6: sha256: stock/right has the SHA-256 $wrong, and $right is wanted"* ]]
	[ -z "$(find "$SWARMBOOT_STORE/blobs" -type f)" ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	[ -z "$(find "$SWARMBOOT_CACHE" -path '*/artifact/*' -type f)" ]
	build
	[ "$(in_image x)" = right ]
}

@test "an archive that wants to leave the tree does not" {
	echo evil >evil
	tar -P --transform 's,^evil$,../../evil,' -cf up.tar evil
	profile "- {source: up.tar, sha256: $(sum up.tar), path: /opt, unpack: true}"
	run -2 build
	[[ $output == *"p.yaml:5: source: "*"up.tar: cannot be unpacked: "*"would leave the tree"* ]]
}

@test "a secret by name is no artifact" {
	head -c 128 /dev/urandom >k
	profile "- {source: k, sha256: $(sum k), path: /etc/munge/munge.key}"
	run -1 build
	[[ $output == *"/etc/munge/munge.key: a secret: the cluster's munge key"* ]]
	[[ $output == *"not fit to be served: 1 fault, named above" ]]
}
