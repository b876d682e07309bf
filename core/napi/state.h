/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state machine of a NAPI instance: every transition of its state word, and nothing else.
 *
 * Each function works on the word alone and calls nothing, so that a model checker can run this very code.
 * What the bits mean is said in unapi/napi.h; what a caller has to do with a result is said here.
 *
 * Memory orders. The word is the lock of everything that the owner alone may touch, so a transition that
 * takes ownership acquires and one that gives it up releases. A transition that may do either, or that leaves
 * a mark for the owner, is acquire-release. All of them are read-modify-writes of one word: each reads the
 * newest value and they have one order, on which the arguments below rest. No argument needs a second word,
 * hence no sequentially consistent operation.
 */
#ifndef UNAPI_CORE_NAPI_STATE_H
#define UNAPI_CORE_NAPI_STATE_H

#include <unapi/napi.h>

#define NAPIF_SCHED		 NAPIF(NAPI_STATE_SCHED)
#define NAPIF_MISSED		 NAPIF(NAPI_STATE_MISSED)
#define NAPIF_DISABLE		 NAPIF(NAPI_STATE_DISABLE)
#define NAPIF_NPSVC		 NAPIF(NAPI_STATE_NPSVC)
#define NAPIF_LISTED		 NAPIF(NAPI_STATE_LISTED)
#define NAPIF_NO_BUSY_POLL	 NAPIF(NAPI_STATE_NO_BUSY_POLL)
#define NAPIF_IN_BUSY_POLL	 NAPIF(NAPI_STATE_IN_BUSY_POLL)
#define NAPIF_PREFER_BUSY_POLL	 NAPIF(NAPI_STATE_PREFER_BUSY_POLL)
#define NAPIF_THREADED		 NAPIF(NAPI_STATE_THREADED)
#define NAPIF_SCHED_THREADED	 NAPIF(NAPI_STATE_SCHED_THREADED)
#define NAPIF_THREADED_BUSY_POLL NAPIF(NAPI_STATE_THREADED_BUSY_POLL)
#define NAPIF_CALLER		 NAPIF(UNAPI_STATE_CALLER)
#define NAPIF_BUSY_ASKED	 NAPIF(UNAPI_STATE_BUSY_ASKED)

/* A hint, or a test by the owner of bits that only the owner changes. */
static inline unsigned long napi_state_read(const unsigned long *state)
{
	return __atomic_load_n(state, __ATOMIC_RELAXED);
}

/* On failure *@old has the newest value. A failed attempt decides nothing, so it needs no order. */
static inline bool napi_state_cas(unsigned long *state, unsigned long *old, unsigned long new_value)
{
	return __atomic_compare_exchange_n(state, old, new_value, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* An ownership that begins, or goes on, in a queue belongs to the instance's thread if it has one. */
static inline unsigned long napi_state_owned(unsigned long v)
{
	return v | NAPIF_SCHED | (v & NAPIF_THREADED ? NAPIF_SCHED_THREADED : 0);
}

/*
 * napi_schedule_prep(). True: the caller owns the instance and must queue it. False: its owner was told to
 * poll once more, or it is being disabled.
 *
 * The exchange is made even when SCHED and MISSED are both set and the word does not change: its release half
 * is what makes the event visible to the completion that consumes MISSED. An early return in that case would
 * let that completion re-poll for an older request and not see the event of this one. DISABLE is looked at
 * inside the same exchange, so that a refused request leaves no MISSED behind. Nor is a refusal decided by
 * the load: that may be of an older word, or made before the event is visible to others, and whoever takes
 * DISABLE back schedules once and then has to see the event.
 */
static inline bool napi_state_prep(unsigned long *state)
{
	unsigned long old = napi_state_read(state), new_value;

	do {
		if (old & NAPIF_DISABLE)
			new_value = old;
		else
			new_value = old & NAPIF_SCHED ? old | NAPIF_MISSED : napi_state_owned(old);
	} while (!napi_state_cas(state, &old, new_value));
	return !(old & (NAPIF_DISABLE | NAPIF_SCHED));
}

/* True if it is owned (and its owner will poll once more) or being disabled. */
static inline bool napi_state_mark_missed(unsigned long *state)
{
	unsigned long old = napi_state_read(state), new_value;

	do {
		if (!(old & (NAPIF_DISABLE | NAPIF_SCHED)))
			return false;
		new_value = old & NAPIF_DISABLE ? old : old | NAPIF_MISSED;
	} while (!napi_state_cas(state, &old, new_value));
	return true;
}

/* The owner's question at completion: does somebody else decide when this instance is let go? Both bits
 * change only under ownership, so that a plain load is enough. */
static inline bool napi_state_completes(const unsigned long *state)
{
	return !(napi_state_read(state) & (NAPIF_NPSVC | NAPIF_IN_BUSY_POLL));
}

/*
 * Completion. Returns the word it replaced: if that had MISSED, the caller still owns the instance and must
 * queue it again; otherwise it belongs to nobody, and may belong to somebody else already.
 *
 * A request comes either before this exchange, then it left MISSED and is seen here, or after it, then it
 * finds SCHED clear and becomes the owner. Acquire: the poll that follows MISSED sees what the request was
 * about. Release: the next owner sees what this one did.
 */
static inline unsigned long napi_state_complete(unsigned long *state)
{
	unsigned long old = napi_state_read(state), new_value;

	do {
		new_value =
			old & ~(NAPIF_MISSED | NAPIF_SCHED | NAPIF_SCHED_THREADED | NAPIF_PREFER_BUSY_POLL);
		if (old & NAPIF_MISSED)
			new_value = napi_state_owned(new_value);
	} while (!napi_state_cas(state, &old, new_value));
	return old;
}

/*
 * Taking ownership for good (disable) or for a move.
 *
 * begin refuses new requests; take is tried until it succeeds; then either rest (disable) or resume (move, or
 * a disable that could not be finished). undo takes begin back when take did not succeed in time. A request
 * that was refused between begin and resume or undo is lost, so after those the instance is scheduled once:
 * resume leaves its caller the owner, who must queue it; after undo the caller schedules it.
 */

/* False: another such call is under way, or it is disabled already. */
static inline bool napi_state_take_begin(unsigned long *state)
{
	unsigned long old = napi_state_read(state);

	do {
		if (old & (NAPIF_DISABLE | NAPIF_NPSVC))
			return false;
	} while (!napi_state_cas(state, &old, old | NAPIF_DISABLE));
	return true;
}

static inline bool napi_state_take(unsigned long *state)
{
	unsigned long old = napi_state_read(state), new_value;

	do {
		if (old & (NAPIF_SCHED | NAPIF_NPSVC))
			return false;
		new_value = (old | NAPIF_SCHED | NAPIF_NPSVC) &
			    ~(NAPIF_THREADED | NAPIF_THREADED_BUSY_POLL | NAPIF_PREFER_BUSY_POLL);
	} while (!napi_state_cas(state, &old, new_value));
	return true;
}

static inline void napi_state_take_undo(unsigned long *state)
{
	__atomic_fetch_and(state, ~NAPIF_DISABLE, __ATOMIC_RELEASE);
}

static inline void napi_state_rest(unsigned long *state)
{
	__atomic_fetch_and(state, ~NAPIF_DISABLE, __ATOMIC_RELEASE);
}

/* Acquire, too: the poll that the caller now queues sees what requests that were refused were about. */
static inline void napi_state_resume(unsigned long *state)
{
	__atomic_fetch_and(state, ~(NAPIF_DISABLE | NAPIF_NPSVC), __ATOMIC_ACQ_REL);
}

/* False: it is not disabled. As in the kernel a MISSED that was left while it rested stays, and costs the
 * next completion one more poll. */
static inline bool napi_state_enable(unsigned long *state)
{
	unsigned long old = napi_state_read(state);

	do {
		if (!(old & NAPIF_SCHED) || !(old & NAPIF_NPSVC))
			return false;
	} while (!napi_state_cas(state, &old, old & ~(NAPIF_SCHED | NAPIF_NPSVC)));
	return true;
}

/*
 * The timer's question, napi_watchdog(): true makes the caller the owner, who must queue it. If somebody owns
 * it, that owner's completion decides about the next timer, so nothing is left behind, not even MISSED: no
 * event of the device is told here. Whoever preferred to busy poll had its time: the mark goes.
 */
static inline bool napi_state_watchdog(unsigned long *state)
{
	unsigned long old = napi_state_read(state);

	do {
		if (old & (NAPIF_DISABLE | NAPIF_SCHED))
			return false;
	} while (!napi_state_cas(state, &old, napi_state_owned(old) & ~NAPIF_PREFER_BUSY_POLL));
	return true;
}

/*
 * The busy loop. SCHED and IN_BUSY_POLL are taken in one exchange, so that of two busy pollers one loses, and
 * no completion can come between the two bits.
 */
static inline bool napi_state_busy_begin(unsigned long *state)
{
	unsigned long old = napi_state_read(state);

	do {
		if (old & (NAPIF_DISABLE | NAPIF_SCHED | NAPIF_IN_BUSY_POLL))
			return false;
	} while (!napi_state_cas(state, &old, old | NAPIF_SCHED | NAPIF_IN_BUSY_POLL));
	return true;
}

/* Ask the present owner to hand over. Relaxed: the mark tells of nothing but itself. Looked at first, so that
 * a loser that spins does not write. */
static inline void napi_state_prefer(unsigned long *state)
{
	if (!(napi_state_read(state) & NAPIF_PREFER_BUSY_POLL))
		__atomic_fetch_or(state, NAPIF_PREFER_BUSY_POLL, __ATOMIC_RELAXED);
}

/* End of the busy loop; SCHED is still held. Requests of before are forgotten, because either one more poll
 * answers them, or the timer. Acquire: that poll sees what they were about. */
static inline void napi_state_busy_stop(unsigned long *state)
{
	__atomic_fetch_and(state, ~(NAPIF_MISSED | NAPIF_IN_BUSY_POLL), __ATOMIC_ACQUIRE);
}

/* ... and let go without a poll; the caller then starts the timer, never before: it would find SCHED and do
 * nothing. A MISSED that came since stop stays, and costs the next completion one more poll; its event is the
 * timer's. Release: the next owner sees what this one did. */
static inline void napi_state_busy_let_go(unsigned long *state)
{
	__atomic_fetch_and(state, ~NAPIF_SCHED, __ATOMIC_RELEASE);
}

/*
 * Threads. THREADED is changed by whoever has taken the instance (or while it rests), so that it is stable
 * for an owner; THREADED_BUSY_POLL, which needs THREADED, at any time. Relaxed: both tell of nothing else.
 */
static inline void napi_state_set_threaded(unsigned long *state, bool threaded, bool busy)
{
	unsigned long set = (threaded ? NAPIF_THREADED : 0) | (busy ? NAPIF_THREADED_BUSY_POLL : 0);
	unsigned long old = napi_state_read(state);

	while (!napi_state_cas(state, &old, (old & ~(NAPIF_THREADED | NAPIF_THREADED_BUSY_POLL)) | set))
		;
}

/* The owner queues it itself: is it for the thread? */
static inline void napi_state_requeue(unsigned long *state)
{
	if (napi_state_read(state) & NAPIF_THREADED)
		__atomic_fetch_or(state, NAPIF_SCHED_THREADED, __ATOMIC_RELAXED);
}

/*
 * The thread's question before each of its polls, as owner: does it busy poll? Then completions change
 * nothing. The answer comes from the word of now: a disable or a change of mode that comes later is seen at
 * the next turn, whose completion then lets go. Relaxed: IN_BUSY_POLL is the owner's.
 */
static inline bool napi_state_thread_turn(unsigned long *state)
{
	unsigned long v = napi_state_read(state);
	bool busy = (v & (NAPIF_THREADED_BUSY_POLL | NAPIF_DISABLE)) == NAPIF_THREADED_BUSY_POLL;

	if (busy && !(v & NAPIF_IN_BUSY_POLL))
		__atomic_fetch_or(state, NAPIF_IN_BUSY_POLL, __ATOMIC_RELAXED);
	else if (!busy && v & NAPIF_IN_BUSY_POLL)
		__atomic_fetch_and(state, ~NAPIF_IN_BUSY_POLL, __ATOMIC_RELAXED);
	return busy;
}

/*
 * Caller polling. What an application is asked to do is in the same word as what it does: BUSY_ASKED is the
 * mode asked for, so that a change of mode, a disable and the application's begin and end are ordered by the
 * word itself.
 */

/* May the application that has the instance go on? */
static inline bool napi_state_caller_keeps(unsigned long v)
{
	return (v & (NAPIF_CALLER | NAPIF_BUSY_ASKED | NAPIF_DISABLE)) == (NAPIF_CALLER | NAPIF_BUSY_ASKED);
}

/*
 * Take the instance to poll it from an application. @queued: it is owned by the queue that the caller has
 * just taken it from; otherwise nobody may own it. False if somebody does, if it is being disabled, or if
 * mode BUSY is not asked for (any more). A MISSED that is there already stays: the end of caller polling
 * polls once more.
 */
static inline bool napi_state_caller_begin(unsigned long *state, bool queued)
{
	unsigned long old = napi_state_read(state);

	do {
		if ((old & (NAPIF_DISABLE | NAPIF_NPSVC | NAPIF_IN_BUSY_POLL | NAPIF_BUSY_ASKED)) !=
		    NAPIF_BUSY_ASKED)
			return false;
		if (!(old & NAPIF_SCHED) == queued)
			return false;
	} while (!napi_state_cas(state, &old, old | NAPIF_SCHED | NAPIF_IN_BUSY_POLL | NAPIF_CALLER));
	return true;
}

/*
 * End of caller polling, by the application that has the instance. True: it is still owned and must be
 * queued, so that it is polled once more and its completion unmasks the interrupt; that poll also answers
 * MISSED. False: it was let go because somebody disables or moves it, who schedules it again if that is not
 * carried through.
 */
static inline bool napi_state_caller_end(unsigned long *state)
{
	unsigned long old = napi_state_read(state), new_value;

	do {
		new_value = old & ~(NAPIF_IN_BUSY_POLL | NAPIF_CALLER | NAPIF_MISSED);
		if (old & NAPIF_DISABLE)
			new_value &= ~NAPIF_SCHED;
	} while (!napi_state_cas(state, &old, new_value));
	return !(old & NAPIF_DISABLE);
}

/* Ask for a mode. Release: an application that begins sees what the asker did before. */
static inline void napi_state_ask_busy(unsigned long *state, bool busy)
{
	if (busy)
		__atomic_fetch_or(state, NAPIF_BUSY_ASKED, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(state, ~NAPIF_BUSY_ASKED, __ATOMIC_RELEASE);
}

#endif
