/* A storage SCU that costs as little as can be: prepared bytes on N associations at once.
 *
 * The data set is a file that is mapped into memory. Of each message only the message ID and the
 * last digits of the SOP Instance UID differ, so a message is a list of pieces: the command set
 * with its PDU, then again and again the headers of a P-DATA-TF and a part of the mapped file. One
 * epoll loop sends them; one C-STORE is in flight on each association, and the next one begins as
 * soon as its answer is here. Without --file it sends C-ECHO in the same way; with --associate it
 * sets associations up and releases them, one after the other in each of N threads.
 *
 * It speaks in lines of JSON with whoever started it: {"ready": N} when the associations are up; it
 * begins at the first line that it reads, tells its figures, and at the second line (or the end of
 * its input) it releases the associations and leaves. So a server can be looked at before, between
 * and after. Whatever goes wrong is the "reason" in a line, and never an exit status.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "requestor.h"

enum {
    MAX_EVENTS = 256,
    MAX_VECTORS = 128,
    TURN = 1 << 20, /* bytes after which it is another association's turn */
    HEAD = 8192,    /* bytes of the data set among which the SOP Instance UID stands */
    FAREWELL = 2,   /* seconds for the answers to A-RELEASE-RQs */
    DIGITS = 7,     /* of it, at its end, are each instance's own */
};

struct lane {
    int fd;
    bool waits_for_room, busy;
    size_t step; /* bytes of the data set in each PDU */
    uint8_t command[512], full[HEADERS], last[HEADERS], *head;
    uint8_t *message_id, *own; /* within the command set: what differs between two messages */
    size_t command_length, message_length, sent;
    double begun;
    uint8_t reply[4096];
    size_t reply_length;
};

static struct target target = {
    .sop_class = "1.2.840.10008.5.1.4.1.1.2",
    .transfer_syntax = "1.2.840.10008.1.2.1",
    .called = "ANY-SCP",
    .max_pdu = 16384,
};
static int lane_count = 1;
static unsigned first = 1000001, count = 1000;
static double seconds = 1e9, limit = 60;
static const char *file, *uid = "";
static bool only_associations;

static int poller;
static const uint8_t *data;
static size_t size, uid_at;
static struct lane *lanes;
static double started, *latencies;
static unsigned issued, answered, failed, alive;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void leave(void) {
    printf("{\"reason\": \"%s\"}\n", reason);
    exit(0);
}

/* messages */

/* The command set but for its values, and the headers of the PDUs behind it. */
static void prepare(struct lane *lane, uint32_t max_pdu) {
    uint8_t *at = lane->command + HEADERS + 12;
    at = put_uid(at, AFFECTED_CLASS, target.sop_class);
    at = put_us(at, COMMAND_FIELD, file ? C_STORE_RQ : C_ECHO_RQ);
    lane->message_id = at + 8;
    at = put_us(at, MESSAGE_ID, 0);
    if (file) at = put_us(at, PRIORITY, 0);
    at = put_us(at, DATA_SET_TYPE, file ? 1 : NO_DATA_SET);
    lane->own = at + 8 + strlen(uid) - DIGITS;
    if (file) at = put_uid(at, AFFECTED_INSTANCE, uid);
    lane->message_length = lane->command_length = end_command_pdu(lane->command, at, CONTEXT);
    if (!file) return;
    lane->head = malloc(HEAD);
    memcpy(lane->head, data, size < HEAD ? size : HEAD);
    lane->step = max_pdu - PDV_HEADER;
    size_t pdus = (size + lane->step - 1) / lane->step;
    put_headers(lane->full, lane->step, CONTEXT, 0);
    put_headers(lane->last, size - (pdus - 1) * lane->step, CONTEXT, LAST);
    lane->message_length += size + pdus * HEADERS;
}

static int add(struct iovec *to, const void *at, size_t length, size_t skip) {
    *to = (struct iovec){(uint8_t *)at + skip, length - skip};
    return 1;
}

/* The pieces of the message from byte `at` on, for about one turn; their number. */
static int pieces(struct lane *lane, size_t at, struct iovec *to) {
    int used = 0;
    size_t room = TURN;
    if (at < lane->command_length) {
        used = add(to, lane->command, lane->command_length, at);
        at = lane->command_length;
    }
    size_t cycle = lane->step + HEADERS;
    while (at < lane->message_length && used + 3 <= MAX_VECTORS && room > 0) {
        size_t number = (at - lane->command_length) / cycle, skip = (at - lane->command_length) % cycle;
        size_t from = number * lane->step, end = from + lane->step;
        if (end > size) end = size;
        if (skip < HEADERS) {
            used += add(to + used, end == size ? lane->last : lane->full, HEADERS, skip);
            at += HEADERS - skip, skip = HEADERS;
        }
        from += skip - HEADERS;
        if (from < HEAD) {
            size_t until = end < HEAD ? end : HEAD;
            used += add(to + used, lane->head, until, from);
            at += until - from, from = until;
        }
        if (end - from > room) end = from + room;
        if (end > from) used += add(to + used, data, end, from);
        at += end - from, room -= end - from;
    }
    return used;
}

static void want_room(struct lane *lane, bool wanted) {
    if (lane->waits_for_room == wanted) return;
    lane->waits_for_room = wanted;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = lane};
    epoll_ctl(poller, EPOLL_CTL_MOD, lane->fd, &event);
}

static void give_up(struct lane *lane, const char *what) {
    why("%s", what);
    failed += lane->busy;
    lane->busy = false;
    epoll_ctl(poller, EPOLL_CTL_DEL, lane->fd, NULL);
    close(lane->fd);
    lane->fd = -1;
    alive--;
}

static void go_on(struct lane *lane) {
    struct iovec vectors[MAX_VECTORS];
    struct msghdr message = {.msg_iov = vectors};
    message.msg_iovlen = pieces(lane, lane->sent, vectors);
    ssize_t sent = sendmsg(lane->fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        give_up(lane, "the connection broke");
        return;
    }
    if (sent > 0) lane->sent += sent;
    want_room(lane, lane->sent < lane->message_length);
}

static void begin(struct lane *lane) {
    double at = now();
    if (issued == count || at - started > seconds) return;
    char own[DIGITS + 1];
    snprintf(own, sizeof own, "%0*u", DIGITS, first + issued);
    if (file) {
        memcpy(lane->own, own, DIGITS);
        memcpy(lane->head + uid_at, own, DIGITS);
    }
    issued++;
    lane->message_id[0] = issued, lane->message_id[1] = issued >> 8;
    lane->busy = true, lane->sent = 0, lane->begun = at;
    go_on(lane);
}

/* A response is one P-DATA-TF with one PDV, as everybody sends it. */
static bool take_response(struct lane *lane) {
    const uint8_t *at = lane->reply + HEADERS, *end = lane->reply + lane->reply_length;
    unsigned status = 0xFFFF;
    if (lane->reply[0] == ABORT) why("the association was aborted");
    if (lane->reply[0] != P_DATA_TF || lane->reply[11] != (COMMAND | LAST)) return false;
    for (; end - at >= 10; at += 8 + little32(at + 4))
        if ((at[2] | at[3] << 8) == STATUS) status = at[8] | at[9] << 8;
    if (status != 0) why("status 0x%04X", status);
    if (status != 0) failed++;
    else latencies[answered++] = now() - lane->begun;
    lane->reply_length = 0;
    lane->busy = false;
    return true;
}

static void read_reply(struct lane *lane) {
    size_t room = sizeof lane->reply - lane->reply_length;
    ssize_t got = recv(lane->fd, lane->reply + lane->reply_length, room, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        give_up(lane, got < 0 ? "the connection broke" : "the connection was closed");
        return;
    }
    lane->reply_length += got;
    if (lane->reply_length < PDU_HEADER) return;
    if (lane->reply_length < PDU_HEADER + get32(lane->reply + 2)) return;
    if (take_response(lane)) begin(lane);
    else give_up(lane, "an answer that is none");
}

static unsigned outstanding(void) { return issued - answered - failed; }

static void send_all(void) {
    struct epoll_event events[MAX_EVENTS];
    for (int i = 0; i < lane_count; i++) begin(lanes + i);
    while (outstanding() > 0) {
        double left = started + limit - now();
        if (left <= 0) {
            why("only %u of %u answered in %.0f s", answered, issued, limit);
            return;
        }
        int found = epoll_wait(poller, events, MAX_EVENTS, left * 1000 + 1);
        for (int i = 0; i < found; i++) {
            struct lane *lane = events[i].data.ptr;
            if (lane->fd >= 0 && events[i].events & EPOLLOUT) go_on(lane);
            if (lane->fd >= 0 && events[i].events & ~EPOLLOUT) read_reply(lane);
        }
    }
}

/* associations only */

static atomic_uint done;

static void *set_up_and_release(void *unused) {
    while (now() - started < seconds) {
        unsigned number = atomic_fetch_add(&done, 1);
        uint32_t max_pdu;
        if (number >= count) return unused;
        double begun = now();
        int fd = associate(&target, &max_pdu);
        if (fd < 0) return unused;
        if (!release(fd)) why("no answer to the A-RELEASE-RQ");
        else latencies[number] = now() - begun;
        close(fd);
    }
    return unused;
}

static void associate_all(void) {
    pthread_t threads[lane_count];
    for (int i = 0; i < lane_count; i++) pthread_create(threads + i, NULL, set_up_and_release, NULL);
    for (int i = 0; i < lane_count; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < count; i++)
        if (latencies[i] > 0) latencies[answered++] = latencies[i];
}

/* from the outside */

static int ascending(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static double percentile(double share) {
    return answered ? latencies[(size_t)(share * (answered - 1))] : 0;
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void tell(double took, double cpu) {
    qsort(latencies, answered, sizeof *latencies, ascending);
    printf("{\"acknowledged\": %u, \"failed\": %u, \"seconds\": %.6f, \"cpu\": %.6f, "
           "\"p50\": %.6f, \"p99\": %.6f, \"longest\": %.6f, \"reason\": \"%s\"}\n",
           answered, failed, took, cpu, percentile(0.5), percentile(0.99), percentile(1), reason);
}

static void load(void) {
    struct stat found;
    int fd = open(file, O_RDONLY);
    if (fd < 0 || fstat(fd, &found) < 0) why("%s cannot be read", file), leave();
    size = found.st_size;
    data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) why("%s cannot be mapped", file), leave();
    size_t within = size < HEAD ? size : HEAD, length = strlen(uid);
    const uint8_t *at = memmem(data, within, uid, length);
    if (at == NULL || length < DIGITS || length > 64) why("no such UID in %s", file), leave();
    uid_at = at - data + length - DIGITS;
}

static void connect_all(void) {
    for (int i = 0; i < lane_count; i++) {
        struct lane *lane = lanes + i;
        uint32_t max_pdu;
        lane->fd = associate(&target, &max_pdu);
        if (lane->fd < 0) leave();
        alive++;
        prepare(lane, max_pdu);
        fcntl(lane->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = lane};
        epoll_ctl(poller, EPOLL_CTL_ADD, lane->fd, &event);
    }
}

/* All at once: there are servers that take their time for each. */
static void release_all(void) {
    double end = now() + FAREWELL;
    uint8_t pdu[64];
    for (int i = 0; i < lane_count; i++)
        if (lanes[i].fd >= 0 && !lanes[i].busy) send_release(lanes[i].fd);
    for (int i = 0; i < lane_count && now() < end; i++) {
        if (lanes[i].fd < 0 || lanes[i].busy) continue;
        struct pollfd answer = {.fd = lanes[i].fd, .events = POLLIN};
        if (poll(&answer, 1, (end - now()) * 1000 + 1) > 0) read_pdu(lanes[i].fd, pdu, sizeof pdu);
    }
}

static void options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},     {"associations", required_argument, NULL, 'a'},
        {"count", required_argument, NULL, 'n'},    {"seconds", required_argument, NULL, 's'},
        {"limit", required_argument, NULL, 'l'},    {"file", required_argument, NULL, 'f'},
        {"uid", required_argument, NULL, 'u'},      {"first", required_argument, NULL, '1'},
        {"sop-class", required_argument, NULL, 'c'}, {"called", required_argument, NULL, 't'},
        {"associate", no_argument, NULL, 'o'},      {0},
    };
    for (int got; (got = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (got == 'p') target.port = atoi(optarg);
        if (got == 'a') lane_count = atoi(optarg);
        if (got == 'n') count = strtoul(optarg, NULL, 10);
        if (got == 's') seconds = atof(optarg);
        if (got == 'l') limit = atof(optarg);
        if (got == 'f') file = optarg;
        if (got == 'u') uid = optarg;
        if (got == '1') first = strtoul(optarg, NULL, 10);
        if (got == 'c') target.sop_class = optarg;
        if (got == 't') target.called = optarg;
        if (got == 'o') only_associations = true;
        if (got == '?') exit(2);
    }
}

int main(int argc, char **argv) {
    char line[64];
    setvbuf(stdout, NULL, _IOLBF, 0);
    options(argc, argv);
    if (file) load();
    poller = epoll_create1(EPOLL_CLOEXEC);
    lanes = calloc(lane_count, sizeof *lanes);
    latencies = calloc(count + 1, sizeof *latencies);
    if (!only_associations) connect_all();
    printf("{\"ready\": %u}\n", alive);
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    double cpu = cpu_seconds();
    started = now();
    if (only_associations) associate_all();
    else send_all();
    tell(now() - started, cpu_seconds() - cpu);
    if (fgets(line, sizeof line, stdin) == NULL) line[0] = '\0';
    if (!only_associations) release_all();
    return 0;
}
