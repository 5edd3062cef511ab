/* Files of the sink, and the threads that sync them while its loop goes on. */

#ifndef POOL_H
#define POOL_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_RESPONSE = 512 };

struct job {
    struct job *next;
    int file; /* the thread's to sync and close */
    int fd; /* the connection that is answered then */
    uint32_t serial;
    size_t response_length;
    uint8_t response[MAX_RESPONSE];
};

struct queue {
    struct job *first, **last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static struct queue jobs, done;
static int woken; /* readable when something was done */

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void push(struct queue *queue, struct job *job) {
    if (queue->first == NULL) queue->last = &queue->first;
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
}

static void submit(struct job *job) {
    pthread_mutex_lock(&lock);
    push(&jobs, job);
    pthread_cond_signal(&some);
    pthread_mutex_unlock(&lock);
}

static struct job *next_job(void) {
    pthread_mutex_lock(&lock);
    while (jobs.first == NULL) pthread_cond_wait(&some, &lock);
    struct job *job = jobs.first;
    jobs.first = job->next;
    pthread_mutex_unlock(&lock);
    return job;
}

static void tell_done(struct job *job) {
    uint64_t one = 1;
    pthread_mutex_lock(&lock);
    bool first = done.first == NULL;
    push(&done, job);
    pthread_mutex_unlock(&lock);
    if (first && write(woken, &one, sizeof one) < 0) fail("eventfd");
}

static void *work(void *unused) {
    for (;;) {
        struct job *job = next_job();
        if (fdatasync(job->file) < 0) fail("fdatasync");
        close(job->file);
        tell_done(job);
    }
    return unused;
}

/* What is done by now, as a list of its own. */
static struct job *take_done(void) {
    uint64_t count;
    if (read(woken, &count, sizeof count) < 0) return NULL;
    pthread_mutex_lock(&lock);
    struct job *first = done.first;
    done.first = NULL;
    pthread_mutex_unlock(&lock);
    return first;
}

static void start_pool(int threads) {
    pthread_t thread;
    woken = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread, NULL, work, NULL) != 0) fail("pthread_create");
}

#endif
