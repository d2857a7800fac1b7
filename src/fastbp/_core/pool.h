// Floor 1. Threads that wait for work. Included by _team.pyx alone, so that a process has them once.
//
// Why not OpenMP's: at the end of its parallel regions the caller waits for every thread, also for one that the host
// has put aside before it did anything, and that takes milliseconds. Here a thread that comes too late finds the door
// shut; only those that came in are waited for. The work itself is handed out by the executor, in slices, to whoever is
// there; so nothing is lost if nobody comes.
//
// A team is a caller and the threads that help it. A caller takes a team that is free, or makes one; threads stay with
// their team, and teams for the life of the process: as many as callers were ever at work at once. After a job threads
// spin for a moment, because the next one often follows at once; then, for as long as the job took, they look for it
// every time that nobody else wants their core; then they sleep. To wake one takes the time of a small network's step, so
// it pays to stay up through what Python does between two epochs.
//
// The door: `open` is the number of the job that may be entered, 0 if none. A thread first counts itself in, then looks
// whether the door is still open; the caller first shuts the door, then waits until nobody is counted in. Both orders
// are sequentially consistent, so one of the two sees the other.

#ifndef FBP_POOL_H
#define FBP_POOL_H
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include "threads.h"

typedef void (*fbp_team_fn)(void *context, int rank);

typedef struct fbp_team {
    fbp_counter job;     // number of the last job
    fbp_counter open;    // number of the job whose door is open, or 0
    fbp_counter inside;  // threads counted in
    fbp_counter taken;   // has this team a caller now?
    fbp_team_fn body;
    void *context;
    int size;            // ranks of the job
    int threads;         // that were started
    int sleeping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct fbp_team *next;
} fbp_team;

typedef struct {
    fbp_team *team;
    int rank;
} fbp_member;

enum { FBP_IDLE_SPINS = 4000 };  // some 100 us
#define FBP_IDLE_SECONDS 2e-3    // at most, until it sleeps

static fbp_team *fbp_teams = NULL;  // all that were ever made; grows at its head
static fbp_counter fbp_callers;     // at work with a team, or alone for the others' sake

static _Thread_local int fbp_runs_here = 0;  // in one another, that this thread is in

// Counts a caller in, who shares the cores with those that are at work already; how many they are with this one. A run
// that is called for by another has what that one has.
static int fbp_enter(void) { return fbp_runs_here++ ? 1 : (int)fbp_add_one(&fbp_callers); }
static void fbp_leave(void) {
    if (--fbp_runs_here || !fbp_read(&fbp_callers)) return;  // nobody is counted after a fork
    __atomic_sub_fetch(&fbp_callers.value, 1, __ATOMIC_ACQ_REL);
}

static void fbp_wait_for_job(fbp_team *team, uint64_t seen, double seconds) {
    const double end = fbp_seconds() + seconds;
    for (int spins = 0; spins < FBP_IDLE_SPINS ? seconds > 0 : fbp_seconds() < end; spins++) {
        if (fbp_read(&team->job) != seen) return;
        spins < FBP_IDLE_SPINS ? fbp_pause() : fbp_yield();
    }
    pthread_mutex_lock(&team->lock);
    __atomic_add_fetch(&team->sleeping, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&team->job.value, __ATOMIC_SEQ_CST) == seen) pthread_cond_wait(&team->wake, &team->lock);
    __atomic_sub_fetch(&team->sleeping, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&team->lock);
}

static void *fbp_help(void *argument) {
    const fbp_member member = *(fbp_member *)argument;
    fbp_team *team = member.team;
    uint64_t seen = 0;
    double idle = FBP_IDLE_SECONDS;
    fbp_runs_here = 1;
    free(argument);
    for (;;) {
        fbp_wait_for_job(team, seen, idle);
        seen = fbp_read(&team->job);
        __atomic_add_fetch(&team->inside.value, 1, __ATOMIC_SEQ_CST);
        const double begin = fbp_seconds();
        if (__atomic_load_n(&team->open.value, __ATOMIC_SEQ_CST) == seen && member.rank < team->size)
            team->body(team->context, member.rank);
        const double busy = fbp_seconds() - begin;
        idle = member.rank >= team->size ? 0 : busy < FBP_IDLE_SECONDS ? busy : FBP_IDLE_SECONDS;
        __atomic_sub_fetch(&team->inside.value, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

// Starts the thread of a rank. Signals are for the threads of the program, not for ours.
static int fbp_start_thread(fbp_team *team, int rank) {
    pthread_t thread;
    sigset_t all, before;
    fbp_member *member = malloc(sizeof *member);
    if (!member) return 0;
    *member = (fbp_member){team, rank};
    sigfillset(&all);
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};  // these belong to the thread that makes them
    for (int i = 0; i < 4; i++) sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&thread, NULL, fbp_help, member);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        free(member);
    else
        pthread_detach(thread);
    return !failed;
}

// A team without a caller; NULL if there is no memory for one more.
static fbp_team *fbp_take_team(void) {
    for (fbp_team *team = __atomic_load_n(&fbp_teams, __ATOMIC_ACQUIRE); team; team = team->next)
        if (fbp_swap_if(&team->taken, 0, 1)) return team;
    fbp_team *team = calloc(1, sizeof *team);
    if (!team) return NULL;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    team->taken.value = 1;
    team->next = __atomic_load_n(&fbp_teams, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&fbp_teams, &team->next, team, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) continue;
    return team;
}

// Runs body(context, rank) for rank 0 here, and for ranks below `size` on those threads that come in time.
static void fbp_run_team(fbp_team_fn body, void *context, int size) {
    fbp_team *team = size > 1 ? fbp_take_team() : NULL;
    if (!team) {
        body(context, 0);
        return;
    }
    while (team->threads < size - 1 && fbp_start_thread(team, team->threads + 1)) team->threads++;
    team->body = body, team->context = context, team->size = size;
    const uint64_t number = team->job.value + 1;
    __atomic_store_n(&team->open.value, number, __ATOMIC_SEQ_CST);
    __atomic_store_n(&team->job.value, number, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&team->sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&team->lock);
        pthread_cond_broadcast(&team->wake);
        pthread_mutex_unlock(&team->lock);
    }
    body(context, 0);
    __atomic_store_n(&team->open.value, 0, __ATOMIC_SEQ_CST);
    for (int spins = 0; __atomic_load_n(&team->inside.value, __ATOMIC_SEQ_CST); spins++)
        spins < FBP_IDLE_SPINS ? fbp_pause() : fbp_yield();
    fbp_write(&team->taken, 0);
}

// A forked child has none of the threads: teams start anew there, and nobody is at work.
static void fbp_forget_teams(void) {
    fbp_teams = NULL;
    fbp_write(&fbp_callers, 0);
}
static void fbp_watch_forks(void) { pthread_atfork(NULL, NULL, fbp_forget_teams); }

#endif
