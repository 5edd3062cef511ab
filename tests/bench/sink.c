/* A storage SCP that does as little as can be done: the limit which servers are compared with.
 *
 * One epoll loop reads from all connections into one buffer, walks over the PDU and PDV headers as
 * they come (PS3.8 9.3), and writes what is between them straight from that buffer: the data set of
 * each C-STORE to a file of its own, named by its SOP Instance UID. It accepts every presentation
 * context with the first transfer syntax, answers C-STORE, C-ECHO and release, and knows no more of
 * DICOM than that. It never decodes a data set, keeps no index and names no transfer syntax.
 *
 * With --sync a pool of threads calls fdatasync, and the loop answers when that is done; so syncs
 * overlap with receiving and with each other. With --discard nothing is written at all.
 *
 * The number of the port is the only line on standard output. SIGTERM ends it.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "pool.h"
#include "wire.h"

enum { SUCCESS = 0x0000, INVALID_UID = 0x0117, OUT_OF_RESOURCES = 0xA700 };
enum {
    MAX_EVENTS = 256,
    MAX_VECTORS = 256,
    MAX_CONNECTIONS = 65536,
    MAX_COMMAND = 4096,
    MAX_ASSOCIATE = 1 << 20,
    BACKLOG = 1024,
};

struct connection {
    int fd;
    uint32_t serial; /* tells it from an earlier one with the same descriptor */

    enum { AT_PDU, AT_PDV, IN_PDV, IN_BODY } stage; /* what the next byte belongs to */
    uint8_t pdu_type;
    uint32_t pdu_left; /* of the PDU, behind the PDV that is being read */
    uint32_t pdv_left;
    uint8_t context_id, control;
    uint8_t header[6];
    unsigned header_length;
    uint8_t *associate; /* an A-ASSOCIATE-RQ until it is whole */
    uint32_t associate_length;

    uint8_t command[MAX_COMMAND];
    unsigned command_length;
    char class_uid[65], instance_uid[65];
    unsigned class_length, instance_length;
    uint16_t message_id, status;
    bool storing;
    int file; /* -1: none */
};

static int poller, folder = AT_FDCWD;
static bool syncing, discarding;
static uint32_t max_pdu = 256 * 1024, serials;
static size_t read_size = 256 * 1024;
static uint8_t *buffer;
static struct connection *connections[MAX_CONNECTIONS];

static struct iovec vectors[MAX_VECTORS]; /* of one file, gathered within one read */
static int vector_count;

/* files */

static void flush(struct connection *c) {
    struct iovec *at = vectors;
    int left = vector_count;
    vector_count = 0;
    while (left > 0 && c->status == SUCCESS) {
        ssize_t written = writev(c->file, at, left);
        if (written < 0) {
            c->status = OUT_OF_RESOURCES;
            return;
        }
        while (left > 0 && (size_t)written >= at->iov_len) written -= at->iov_len, at++, left--;
        if (left > 0) at->iov_base = (char *)at->iov_base + written, at->iov_len -= written;
    }
}

static void begin_file(struct connection *c) {
    const char *uid = c->instance_uid;
    bool fits = uid[0] >= '0' && uid[0] <= '9' && uid[strspn(uid, "0123456789.")] == '\0';
    c->status = fits ? SUCCESS : INVALID_UID;
    c->storing = true;
    if (discarding || !fits) return;
    c->file = openat(folder, uid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (c->file < 0) c->status = OUT_OF_RESOURCES;
}

/* connections */

static void drop(struct connection *c) {
    if (c->file >= 0) unlinkat(folder, c->instance_uid, 0), close(c->file);
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->associate);
    free(c);
}

/* Answers are short: a peer that leaves so many of them unread that one does not fit is dropped. */
static bool answer(struct connection *c, const uint8_t *data, size_t length) {
    return send(c->fd, data, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* PS3.8 9.3.3: the presentation context as accepted; its first transfer syntax sub-item is kept. */
static uint8_t *accept_context(uint8_t *at, const uint8_t *body, const uint8_t *end) {
    uint8_t *start = at;
    at[0] = 0x21, at[1] = 0;
    memcpy(at + 4, (uint8_t[]){body[0], 0, 0, 0}, 4);
    at += 8;
    for (const uint8_t *sub = body + 4; sub + 4 <= end; sub += 4 + get16(sub + 2)) {
        if (sub[0] != 0x40 || sub + 4 + get16(sub + 2) > end) continue;
        at = put_item(at, 0x40, sub + 4, get16(sub + 2));
        break;
    }
    put16(start + 2, at - start - 4);
    return at;
}

static bool accept_association(struct connection *c) {
    const uint8_t *request = c->associate, *end = request + c->associate_length;
    if (c->associate_length < 68) return false;
    /* Each context of the answer is shorter than it was in the request. */
    uint8_t *reply = malloc(c->associate_length + 256), *at = reply + 6;
    memcpy(at, request, 68);
    at = put_item(at + 68, 0x10, application_context, sizeof application_context - 1);
    for (const uint8_t *next = request + 68; next + 4 <= end; next += 4 + get16(next + 2)) {
        const uint8_t *stop = next + 4 + get16(next + 2);
        if (next[0] == 0x20 && stop <= end && stop - next >= 8)
            at = accept_context(at, next + 4, stop);
    }
    at = put_user(at, max_pdu);
    put_pdu_header(reply, ASSOCIATE_AC, at - reply - PDU_HEADER);
    bool sent = answer(c, reply, at - reply);
    free(reply), free(c->associate);
    c->associate = NULL;
    return sent;
}

/* messages */

static size_t make_response(struct connection *c, unsigned field, uint8_t *pdu) {
    uint8_t *at = pdu + HEADERS + 12;
    at = put_element(at, AFFECTED_CLASS, c->class_uid, c->class_length);
    at = put_us(at, COMMAND_FIELD, field | RESPONSE);
    at = put_us(at, RESPONDED_TO, c->message_id);
    at = put_us(at, DATA_SET_TYPE, NO_DATA_SET);
    at = put_us(at, STATUS, c->status);
    if (field == C_STORE_RQ)
        at = put_element(at, AFFECTED_INSTANCE, c->instance_uid, c->instance_length);
    return end_command_pdu(pdu, at, c->context_id);
}

static bool respond(struct connection *c, unsigned field) {
    uint8_t pdu[MAX_RESPONSE];
    return answer(c, pdu, make_response(c, field, pdu));
}

static void keep_uid(char *uid, unsigned *kept, const uint8_t *value, uint32_t length) {
    *kept = length < 65 ? length : 64; /* its padding is answered as it came */
    memset(uid, 0, 65);
    memcpy(uid, value, *kept);
}

static bool end_command(struct connection *c) {
    unsigned field = 0;
    const uint8_t *at = c->command, *end = at + c->command_length;
    c->class_length = c->instance_length = 0;
    while (end - at >= 8) {
        unsigned tag = at[2] | at[3] << 8;
        uint32_t length = little32(at + 4);
        if (length > (size_t)(end - at - 8)) return false;
        const uint8_t *value = at + 8;
        unsigned short_value = length == 2 ? value[0] | value[1] << 8 : 0;
        if (tag == AFFECTED_CLASS) keep_uid(c->class_uid, &c->class_length, value, length);
        if (tag == COMMAND_FIELD) field = short_value;
        if (tag == MESSAGE_ID) c->message_id = short_value;
        if (tag == AFFECTED_INSTANCE) keep_uid(c->instance_uid, &c->instance_length, value, length);
        at = value + length;
    }
    c->command_length = 0;
    c->status = SUCCESS;
    if (field == C_ECHO_RQ) return respond(c, field);
    if (field != C_STORE_RQ) return false;
    begin_file(c);
    return true;
}

static bool end_data_set(struct connection *c) {
    flush(c);
    c->storing = false;
    int file = c->file;
    c->file = -1;
    if (syncing && file >= 0 && c->status == SUCCESS) {
        struct job *job = malloc(sizeof *job);
        job->file = file, job->fd = c->fd, job->serial = c->serial;
        job->response_length = make_response(c, C_STORE_RQ, job->response);
        submit(job);
        return true;
    }
    bool sent = respond(c, C_STORE_RQ); /* before the file is closed: that takes its time too */
    if (file >= 0) close(file);
    if (file >= 0 && c->status != SUCCESS) unlinkat(folder, c->instance_uid, 0);
    return sent;
}

/* the stream: each takes what it can use of the bytes and says how many those were, -1 for an end */

static bool end_pdv(struct connection *c) {
    c->stage = c->pdu_left > 0 ? AT_PDV : AT_PDU;
    if (!(c->control & LAST)) return true;
    if (c->control & COMMAND) return end_command(c);
    return c->storing && end_data_set(c);
}

static bool begin_pdu(struct connection *c) {
    c->pdu_type = c->header[0], c->pdu_left = get32(c->header + 2);
    c->stage = c->pdu_type == P_DATA_TF ? AT_PDV : IN_BODY;
    if (c->pdu_type != ASSOCIATE_RQ) return c->pdu_left > 0;
    if (c->pdu_left > MAX_ASSOCIATE || c->associate != NULL) return false;
    c->associate = malloc(c->pdu_left);
    c->associate_length = 0;
    return c->pdu_left > 0;
}

static bool begin_pdv(struct connection *c) {
    uint32_t size = get32(c->header);
    if (c->pdu_left < 6 || size < 2 || size > c->pdu_left - 4) return false;
    c->context_id = c->header[4], c->control = c->header[5];
    c->pdv_left = size - 2, c->pdu_left -= 4 + size;
    c->stage = IN_PDV;
    return c->pdv_left > 0 || end_pdv(c);
}

static ssize_t take_header(struct connection *c, const uint8_t *at, size_t length) {
    size_t taken = sizeof c->header - c->header_length;
    if (taken > length) taken = length;
    memcpy(c->header + c->header_length, at, taken);
    c->header_length += taken;
    if (c->header_length < sizeof c->header) return taken;
    c->header_length = 0;
    return (c->stage == AT_PDU ? begin_pdu(c) : begin_pdv(c)) ? (ssize_t)taken : -1;
}

static ssize_t take_pdv(struct connection *c, uint8_t *at, size_t length) {
    size_t taken = length < c->pdv_left ? length : c->pdv_left;
    if (c->control & COMMAND) {
        if (c->command_length + taken > MAX_COMMAND) return -1;
        memcpy(c->command + c->command_length, at, taken);
        c->command_length += taken;
    } else if (!c->storing) {
        return -1;
    } else if (c->file >= 0) {
        if (vector_count == MAX_VECTORS) flush(c);
        vectors[vector_count++] = (struct iovec){at, taken};
    }
    c->pdv_left -= taken;
    return c->pdv_left > 0 || end_pdv(c) ? (ssize_t)taken : -1;
}

static ssize_t take_body(struct connection *c, const uint8_t *at, size_t length) {
    size_t taken = length < c->pdu_left ? length : c->pdu_left;
    if (c->pdu_type == ASSOCIATE_RQ) {
        memcpy(c->associate + c->associate_length, at, taken);
        c->associate_length += taken;
    }
    c->pdu_left -= taken;
    if (c->pdu_left > 0) return taken;
    c->stage = AT_PDU;
    if (c->pdu_type == ASSOCIATE_RQ) return accept_association(c) ? (ssize_t)taken : -1;
    static const uint8_t released[10] = {RELEASE_RP, 0, 0, 0, 0, 4};
    if (c->pdu_type == RELEASE_RQ && answer(c, released, sizeof released)) return taken;
    return -1;
}

static bool feed(struct connection *c, uint8_t *at, size_t length) {
    for (uint8_t *end = at + length; at < end;) {
        ssize_t taken = c->stage == IN_PDV    ? take_pdv(c, at, end - at)
                        : c->stage == IN_BODY ? take_body(c, at, end - at)
                                              : take_header(c, at, end - at);
        if (taken < 0) return false;
        at += taken;
    }
    flush(c);
    return true;
}

/* the loop */

static void accept_connections(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MAX_CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = connections[fd] = calloc(1, sizeof *c);
        c->fd = fd, c->serial = ++serials, c->file = -1;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
    }
}

static void receive(struct connection *c) {
    ssize_t length = recv(c->fd, buffer, read_size, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    vector_count = 0;
    if (length <= 0 || !feed(c, buffer, length)) {
        drop(c);
        return;
    }
    /* As the gateway does: no client that has Nagle's algorithm on waits for a delayed ACK. */
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static void answer_synced(void) {
    struct job *next = take_done();
    for (struct job *job; (job = next) != NULL; free(job)) {
        next = job->next;
        struct connection *c = connections[job->fd];
        if (c != NULL && c->serial == job->serial && !answer(c, job->response, job->response_length))
            drop(c);
    }
}

static int listen_at(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0) fail("listen");
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int options(int argc, char **argv, int *threads) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},    {"dir", required_argument, NULL, 'd'},
        {"sync", no_argument, NULL, 's'},          {"discard", no_argument, NULL, 'x'},
        {"max-pdu", required_argument, NULL, 'm'}, {"read-size", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 't'}, {0},
    };
    int port = 0;
    for (int got; (got = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (got == 'p') port = atoi(optarg);
        if (got == 'd' && (folder = open(optarg, O_RDONLY | O_DIRECTORY)) < 0) fail(optarg);
        if (got == 's') syncing = true;
        if (got == 'x') discarding = true;
        if (got == 'm') max_pdu = strtoul(optarg, NULL, 10);
        if (got == 'r') read_size = strtoul(optarg, NULL, 10);
        if (got == 't') *threads = atoi(optarg);
        if (got == '?') exit(2);
    }
    return port;
}

int main(int argc, char **argv) {
    int threads = 32, port = options(argc, argv, &threads);
    if ((buffer = malloc(read_size)) == NULL) fail("malloc");
    poller = epoll_create1(EPOLL_CLOEXEC);
    start_pool(syncing ? threads : 0);
    int listener = listen_at(port);
    struct epoll_event events[MAX_EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, events) < 0) fail("epoll_ctl");
    events[0].data.fd = woken;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, woken, events) < 0) fail("epoll_ctl");
    for (;;) {
        int count = epoll_wait(poller, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_connections(listener);
            else if (fd == woken) answer_synced();
            else if (connections[fd] != NULL) receive(connections[fd]);
        }
    }
}
