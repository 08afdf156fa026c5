/* Private to the HTTP server: what a route filled in, sent. */
#ifndef SEEDER_HTTPSEND_H
#define SEEDER_HTTPSEND_H

#include <microhttpd.h>

#include "seeder/http.h"

/* Queues the answer on the connection; takes its file and its body. MHD_NO closes the connection. */
enum MHD_Result httpd_send(struct MHD_Connection *c, struct httpd_answer *answer);

#endif
