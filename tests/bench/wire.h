/* Bytes of PDUs and command sets, for the sink, the sender and the taker (PS3.8 9.3, PS3.7 6.3.1). */

#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>
#include <string.h>

enum { ASSOCIATE_RQ = 1, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT };
enum { C_STORE_RQ = 0x0001, C_ECHO_RQ = 0x0030, RESPONSE = 0x8000, NO_DATA_SET = 0x0101 };
enum { C_GET_RQ = 0x0010, C_FIND_RQ = 0x0020, C_MOVE_RQ = 0x0021, MOVE_DESTINATION = 0x0600 };
enum { AFFECTED_CLASS = 0x0002, COMMAND_FIELD = 0x0100, MESSAGE_ID = 0x0110 };
enum { RESPONDED_TO = 0x0120, PRIORITY = 0x0700, DATA_SET_TYPE = 0x0800, STATUS = 0x0900 };
enum { AFFECTED_INSTANCE = 0x1000 };
enum { COMMAND = 1, LAST = 2 }; /* bits of a message control header */
enum { PDU_HEADER = 6, PDV_HEADER = 6, HEADERS = PDU_HEADER + PDV_HEADER };

static const char application_context[] = "1.2.840.10008.3.1.1.1", implementation[] = "2.25.1";

static inline void put16(uint8_t *at, unsigned value) { at[0] = value >> 8, at[1] = value; }
static inline void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value); }
static inline unsigned get16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static inline uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }

static inline uint32_t little32(const uint8_t *at) {
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint8_t *put_item(uint8_t *at, int type, const void *value, size_t length) {
    at[0] = type, at[1] = 0;
    put16(at + 2, length);
    memcpy(at + 4, value, length);
    return at + 4 + length;
}

/* The user information item, behind everything else. */
static inline uint8_t *put_user(uint8_t *at, uint32_t max_pdu) {
    uint8_t *start = at, limit[4];
    put32(limit, max_pdu);
    at = put_item(at + 4, 0x51, limit, 4);
    at = put_item(at, 0x52, implementation, sizeof implementation - 1);
    start[0] = 0x50, start[1] = 0;
    put16(start + 2, at - start - 4);
    return at;
}

static inline void put_pdu_header(uint8_t *at, int type, uint32_t length) {
    at[0] = type, at[1] = 0;
    put32(at + 2, length);
}

/* The headers of a P-DATA-TF with one PDV that has `length` bytes of a message. */
static inline void put_headers(uint8_t *at, uint32_t length, int context_id, int control) {
    put_pdu_header(at, P_DATA_TF, length + PDV_HEADER);
    put32(at + PDU_HEADER, length + 2);
    at[10] = context_id, at[11] = control;
}

static inline uint8_t *put_element(uint8_t *at, unsigned tag, const void *value, unsigned length) {
    memcpy(at, (uint8_t[]){0, 0, tag, tag >> 8, length, length >> 8, 0, 0}, 8);
    memcpy(at + 8, value, length);
    return at + 8 + length;
}

static inline uint8_t *put_uid(uint8_t *at, unsigned tag, const char *uid) {
    char padded[66] = {0};
    memcpy(padded, uid, strnlen(uid, 64));
    return put_element(at, tag, padded, (strnlen(uid, 64) + 1) / 2 * 2);
}

static inline uint8_t *put_us(uint8_t *at, unsigned tag, unsigned value) {
    return put_element(at, tag, (uint8_t[]){value, value >> 8}, 2);
}

/* Everything round the elements from `pdu + HEADERS + 12` to `end`; the length of the whole. */
static inline size_t end_command_pdu(uint8_t *pdu, const uint8_t *end, int context_id) {
    uint8_t *set = pdu + HEADERS;
    unsigned rest = end - set - 12;
    put_element(set, 0x0000, (uint8_t[]){rest, rest >> 8, 0, 0}, 4);
    put_headers(pdu, end - set, context_id, COMMAND | LAST);
    return end - pdu;
}

#endif
