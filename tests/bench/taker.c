/* An SCU of C-FIND, C-GET and C-MOVE that costs as little as can be, on N associations at once.
 *
 * Each association has a thread and sends one request. What comes back is read into one buffer and
 * counted: the matches of a C-FIND, the C-STOREs of a C-GET, which are answered with success and
 * kept nowhere, and for a C-MOVE what its last response says was completed.
 *
 * It speaks in lines of JSON with whoever started it, as the sender does: {"ready": N} when the
 * associations are up, its figures after the first line that it reads, and it leaves after the next.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "requestor.h"

enum { COMPLETED = 0x1021, PENDING = 0xFF00, PENDING_WARNING = 0xFF01 };
enum { MAX_LANES = 256, MAX_COMMAND = 4096, ROOM = 2 << 20 };

struct command {
    unsigned field, message_id, status, completed;
    const uint8_t *instance;
    unsigned instance_length;
};

struct lane {
    int fd;
    bool is_up;
    uint8_t *buffer;
    size_t start, end; /* of what was read and not used */
    uint8_t set[MAX_COMMAND];
    size_t set_length;
    struct command command;
    char instance[65];
    unsigned instance_length, stores, matches, completed;
    bool is_over;
};

static struct target target = {
    .sop_class = "1.2.840.10008.5.1.4.1.2.2.3",
    .transfer_syntax = "1.2.840.10008.1.2",
    .called = "ANY-SCP",
    .max_pdu = 128 * 1024,
};
static const char *const stored = "1.2.840.10008.5.1.4.1.1.2";
static unsigned field = C_GET_RQ;
static const char *destination = "HERE";
static uint8_t identifier[1024];
static size_t identifier_length;
static int lane_count = 1;
static struct lane lanes[MAX_LANES];
static pthread_barrier_t begin;
static pthread_mutex_t telling = PTHREAD_MUTEX_INITIALIZER;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void fails(const char *format, unsigned value) {
    pthread_mutex_lock(&telling);
    why(format, value);
    pthread_mutex_unlock(&telling);
}

static bool send_all(int fd, const uint8_t *at, size_t length) {
    return send(fd, at, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool ask(struct lane *lane) {
    uint8_t pdu[MAX_COMMAND], *at = pdu + HEADERS + 12;
    at = put_uid(at, AFFECTED_CLASS, target.sop_class);
    at = put_us(at, COMMAND_FIELD, field);
    at = put_us(at, MESSAGE_ID, 1);
    if (field == C_MOVE_RQ) {
        char padded[16];
        int length = snprintf(padded, sizeof padded, "%.14s ", destination) & ~1;
        at = put_element(at, MOVE_DESTINATION, padded, length);
    }
    at = put_us(at, PRIORITY, 0);
    at = put_us(at, DATA_SET_TYPE, 1);
    size_t length = end_command_pdu(pdu, at, CONTEXT);
    put_headers(pdu + length, identifier_length, CONTEXT, LAST);
    memcpy(pdu + length + HEADERS, identifier, identifier_length);
    return send_all(lane->fd, pdu, length + HEADERS + identifier_length);
}

static bool answer(struct lane *lane, int context_id) {
    uint8_t pdu[512], *at = pdu + HEADERS + 12;
    at = put_uid(at, AFFECTED_CLASS, stored);
    at = put_us(at, COMMAND_FIELD, C_STORE_RQ | RESPONSE);
    at = put_us(at, RESPONDED_TO, lane->command.message_id);
    at = put_us(at, DATA_SET_TYPE, NO_DATA_SET);
    at = put_us(at, STATUS, 0);
    at = put_element(at, AFFECTED_INSTANCE, lane->instance, lane->instance_length);
    return send_all(lane->fd, pdu, end_command_pdu(pdu, at, context_id));
}

static void take_command(struct lane *lane) {
    struct command *command = &lane->command;
    *command = (struct command){0};
    const uint8_t *at = lane->set, *end = at + lane->set_length;
    while (end - at >= 8 && little32(at + 4) <= (size_t)(end - at - 8)) {
        unsigned tag = at[2] | at[3] << 8, length = little32(at + 4);
        unsigned number = length == 2 ? at[8] | at[9] << 8 : 0;
        if (tag == COMMAND_FIELD) command->field = number;
        if (tag == MESSAGE_ID) command->message_id = number;
        if (tag == STATUS) command->status = number;
        if (tag == COMPLETED) command->completed = number;
        if (tag == AFFECTED_INSTANCE && length < sizeof lane->instance) {
            memcpy(lane->instance, at + 8, length);
            lane->instance_length = length;
        }
        at += 8 + length;
    }
    lane->set_length = 0;
    if (command->field != (field | RESPONSE)) return;
    if (command->status == PENDING || command->status == PENDING_WARNING) {
        lane->matches++;
        return;
    }
    lane->completed = command->completed;
    lane->is_over = true;
    if (command->status != 0) fails("status 0x%04X", command->status);
}

/* One P-DATA-TF that is in memory; false if the association cannot go on. */
static bool take_pdu(struct lane *lane, const uint8_t *at, const uint8_t *end) {
    while (end - at >= PDV_HEADER) {
        uint32_t length = get32(at) - 2;
        int context_id = at[4], control = at[5];
        at += PDV_HEADER;
        if (length > (size_t)(end - at)) return false;
        if (control & COMMAND) {
            if (lane->set_length + length > MAX_COMMAND) return false;
            memcpy(lane->set + lane->set_length, at, length);
            lane->set_length += length;
            if (control & LAST) take_command(lane);
        } else if (control & LAST && lane->command.field == C_STORE_RQ) {
            lane->stores++;
            if (!answer(lane, context_id)) return false;
        }
        at += length;
    }
    return true;
}

static bool has(struct lane *lane, size_t length) { return lane->end - lane->start >= length; }

static bool read_more(struct lane *lane) {
    memmove(lane->buffer, lane->buffer + lane->start, lane->end - lane->start);
    lane->end -= lane->start, lane->start = 0;
    ssize_t got = recv(lane->fd, lane->buffer + lane->end, ROOM - lane->end, 0);
    if (got <= 0) return false;
    lane->end += got;
    int on = 1; /* a server with Nagle's algorithm on waits for no delayed acknowledgement */
    setsockopt(lane->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    return true;
}

static const char *take(struct lane *lane) {
    if (!ask(lane)) return "the connection broke";
    while (!lane->is_over) {
        const uint8_t *at = lane->buffer + lane->start;
        size_t whole = has(lane, PDU_HEADER) ? PDU_HEADER + get32(at + 2) : PDU_HEADER;
        if (whole > ROOM) return "a PDU that is too long";
        if (!has(lane, PDU_HEADER) || !has(lane, whole)) {
            if (!read_more(lane)) return "nothing came, or the connection was closed";
            continue;
        }
        if (at[0] != P_DATA_TF) return "the association was aborted";
        if (!take_pdu(lane, at + PDU_HEADER, at + whole)) return "a P-DATA-TF that makes no sense";
        lane->start += whole;
    }
    return NULL;
}

static void *work(void *given) {
    struct lane *lane = given;
    pthread_barrier_wait(&begin);
    const char *problem = take(lane);
    if (problem) fails(problem, 0);
    return NULL;
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static unsigned taken(const struct lane *lane) {
    return field == C_FIND_RQ ? lane->matches : field == C_GET_RQ ? lane->stores : lane->completed;
}

static void leave(void) {
    printf("{\"reason\": \"%s\"}\n", reason);
    exit(0);
}

static void options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},        {"associations", required_argument, NULL, 'a'},
        {"model", required_argument, NULL, 'm'},       {"field", required_argument, NULL, 'f'},
        {"identifier", required_argument, NULL, 'i'},  {"destination", required_argument, NULL, 'd'},
        {"called", required_argument, NULL, 't'},      {0},
    };
    for (int got; (got = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (got == 'p') target.port = atoi(optarg);
        if (got == 'a') lane_count = atoi(optarg);
        if (got == 'm') target.sop_class = optarg;
        if (got == 'f') field = atoi(optarg);
        if (got == 'd') destination = optarg;
        if (got == 't') target.called = optarg;
        if (got == 'i') {
            int fd = open(optarg, O_RDONLY);
            ssize_t length = read(fd, identifier, sizeof identifier);
            if (length < 0) why("%s cannot be read", optarg), leave();
            identifier_length = length;
        }
        if (got == '?') exit(2);
    }
    if (lane_count > MAX_LANES) lane_count = MAX_LANES;
    if (field == C_GET_RQ) target.taken = stored, target.taken_syntax = "1.2.840.10008.1.2.1";
}

int main(int argc, char **argv) {
    char line[64];
    pthread_t threads[MAX_LANES];
    setvbuf(stdout, NULL, _IOLBF, 0);
    options(argc, argv);
    pthread_barrier_init(&begin, NULL, lane_count + 1);
    for (int i = 0; i < lane_count; i++) {
        uint32_t limit;
        lanes[i].fd = associate(&target, &limit);
        if (lanes[i].fd < 0 || (lanes[i].buffer = malloc(ROOM)) == NULL) leave();
        pthread_create(threads + i, NULL, work, lanes + i);
    }
    printf("{\"ready\": %d}\n", lane_count);
    if (fgets(line, sizeof line, stdin) == NULL) return 0;
    double cpu = cpu_seconds(), started = now();
    unsigned total = 0;
    pthread_barrier_wait(&begin);
    for (int i = 0; i < lane_count; i++) pthread_join(threads[i], NULL);
    double took = now() - started;
    for (int i = 0; i < lane_count; i++) total += taken(lanes + i);
    printf("{\"acknowledged\": %u, \"seconds\": %.6f, \"cpu\": %.6f, \"reason\": \"%s\"}\n", total,
           took, cpu_seconds() - cpu, reason);
    if (fgets(line, sizeof line, stdin) == NULL) line[0] = '\0';
    for (int i = 0; i < lane_count; i++)
        if (lanes[i].is_over) release(lanes[i].fd);
    return 0;
}
