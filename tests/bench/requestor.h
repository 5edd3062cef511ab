/* Associations of the sender and the taker: set up and released on blocking sockets. */

#ifndef REQUESTOR_H
#define REQUESTOR_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire.h"

enum { CONTEXT = 1, LONGEST_PDU = 1 << 20, SHORTEST_PDU = 64, PATIENCE = 20 };

struct target {
    int port;
    const char *sop_class, *transfer_syntax, *called;
    uint32_t max_pdu; /* what the peer may send */
    const char *taken, *taken_syntax; /* a SOP class of which instances come back by C-GET; or NULL */
};

static char reason[256]; /* the first thing that went wrong */

static void why(const char *format, ...) {
    va_list values;
    va_start(values, format);
    if (reason[0] == '\0') vsnprintf(reason, sizeof reason, format, values);
    va_end(values);
}

static uint8_t *put_context(uint8_t *at, int id, const char *sop_class, const char *syntax) {
    uint8_t context[256] = {id};
    uint8_t *end = put_item(context + 4, 0x30, sop_class, strlen(sop_class));
    end = put_item(end, 0x40, syntax, strlen(syntax));
    return put_item(at, 0x20, context, end - context);
}

/* The role of an SCP for a SOP class (PS3.7 D.3.3.4), at the end of the user information item. */
static uint8_t *put_role(uint8_t *user, uint8_t *at, const char *sop_class) {
    uint8_t role[80] = {0};
    size_t length = strlen(sop_class);
    put16(role, length);
    memcpy(role + 2, sop_class, length);
    role[length + 3] = 1;
    at = put_item(at, 0x54, role, length + 4);
    put16(user + 2, at - user - 4);
    return at;
}

static size_t make_request(const struct target *to, uint8_t *pdu) {
    uint8_t *at = pdu + PDU_HEADER;
    memset(at, 0, 68);
    memset(at + 4, ' ', 32);
    at[1] = 1;
    memcpy(at + 4, to->called, strlen(to->called));
    memcpy(at + 20, "BENCH", 5);
    at = put_item(at + 68, 0x10, application_context, sizeof application_context - 1);
    at = put_context(at, CONTEXT, to->sop_class, to->transfer_syntax);
    if (to->taken) at = put_context(at, CONTEXT + 2, to->taken, to->taken_syntax);
    uint8_t *user = at;
    at = put_user(at, to->max_pdu);
    if (to->taken) at = put_role(user, at, to->taken);
    put_pdu_header(pdu, ASSOCIATE_RQ, at - pdu - PDU_HEADER);
    return at - pdu;
}

/* The maximum length of an A-ASSOCIATE-AC that accepted our contexts; 0: it did not. */
static uint32_t read_accept(const uint8_t *pdu, size_t length) {
    uint32_t limit = LONGEST_PDU;
    bool accepted = true;
    for (const uint8_t *at = pdu + 74, *end = pdu + length; at + 4 <= end; at += 4 + get16(at + 2)) {
        if (at[0] == 0x21) accepted &= at[6] == 0;
        if (at[0] != 0x50) continue;
        for (const uint8_t *sub = at + 4; sub + 8 <= end; sub += 4 + get16(sub + 2))
            if (sub[0] == 0x51 && get32(sub + 4) > 0) limit = get32(sub + 4);
    }
    if (limit > LONGEST_PDU) limit = LONGEST_PDU;
    return accepted && limit >= SHORTEST_PDU ? limit : 0;
}

static bool read_exactly(int fd, uint8_t *at, size_t length) {
    while (length > 0) {
        ssize_t got = recv(fd, at, length, 0);
        if (got <= 0) return false;
        at += got, length -= got;
    }
    return true;
}

/* One whole PDU on a blocking socket; its length, or 0. */
static size_t read_pdu(int fd, uint8_t *pdu, size_t room) {
    if (!read_exactly(fd, pdu, PDU_HEADER)) return 0;
    size_t length = get32(pdu + 2);
    if (length + PDU_HEADER > room || !read_exactly(fd, pdu + PDU_HEADER, length)) return 0;
    return length + PDU_HEADER;
}

/* A connection with an association on it, and its maximum length; or -1. */
static int associate(const struct target *to, uint32_t *limit) {
    uint8_t pdu[4096];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    struct timeval patience = {.tv_sec = PATIENCE};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const char *problem = "the connection was refused";
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        size_t length = make_request(to, pdu);
        problem = "no answer to the A-ASSOCIATE-RQ";
        if (send(fd, pdu, length, MSG_NOSIGNAL) > 0 && (length = read_pdu(fd, pdu, sizeof pdu))) {
            problem = "the association was rejected";
            if (pdu[0] == ASSOCIATE_AC && (*limit = read_accept(pdu, length)) > 0) return fd;
        }
    }
    close(fd);
    why("%s", problem);
    return -1;
}

static bool send_release(int fd) {
    static const uint8_t request[10] = {RELEASE_RQ, 0, 0, 0, 0, 4};
    return send(fd, request, sizeof request, MSG_NOSIGNAL) > 0;
}

static bool release(int fd) {
    uint8_t pdu[64];
    return send_release(fd) && read_pdu(fd, pdu, sizeof pdu) && pdu[0] == RELEASE_RP;
}

#endif
