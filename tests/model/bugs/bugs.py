#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make a copy of the library's sources that has bugs, each switched on by a number at run time.

    bugs.py SOURCE_ROOT OUTPUT_DIRECTORY

Writes the headers to OUTPUT_DIRECTORY/core/..., the sources to OUTPUT_DIRECTORY/bugs_... and what is known of each bug to
bugs.h. A bug whose place is not found, because the source has changed, is in the table all the same: the test then fails.
"""
import pathlib
import re
import sys

# The places: file, what is there, what replaces it. BUG stands for "this bug is switched on".
# What shows it: the scenario, and what the explorer must say.
BUGS = [
    ("completion drops MISSED", "interrupt, schedule", "lost wake-up",
     ("napi/state.h", "		if (old & NAPIF_MISSED)\n			new_value = napi_state_owned(new_value);\n	} while (!napi_state_cas(state, &old, new_value));\n	return old;",
      "		if (old & NAPIF_MISSED && !BUG)\n			new_value = napi_state_owned(new_value);\n	} while (!napi_state_cas(state, &old, new_value));\n	return BUG ? old & ~NAPIF_MISSED : old;")),
    ("prep leaves no MISSED", "schedule, schedule", "lost wake-up",
     ("napi/state.h", "new_value = old & NAPIF_SCHED ? old | NAPIF_MISSED : napi_state_owned(old);",
      "new_value = old & NAPIF_SCHED ? (BUG ? old : old | NAPIF_MISSED) : napi_state_owned(old);")),
    ("prep returns early when SCHED and MISSED are both set", "three schedule", "lost wake-up",
     ("napi/state.h", "		if (old & NAPIF_DISABLE)\n			new_value = old;\n		else\n",
      "		if (BUG && (old & (NAPIF_SCHED | NAPIF_MISSED)) == (NAPIF_SCHED | NAPIF_MISSED))\n			return false;\n		if (old & NAPIF_DISABLE)\n			new_value = old;\n		else\n")),
    ("prep is refused by a load, not by an exchange", "schedule, move", "lost wake-up",
     ("napi/state.h", "static inline bool napi_state_prep(unsigned long *state)\n{\n	unsigned long old = napi_state_read(state), new_value;\n\n",
      "static inline bool napi_state_prep(unsigned long *state)\n{\n	unsigned long old = napi_state_read(state), new_value;\n\n	if (BUG && old & NAPIF_DISABLE)\n		return false;\n")),
    ("exchanges of the state word do not release", "interrupt, schedule", "data race",
     ("napi/state.h", "	return __atomic_compare_exchange_n(state, old, new_value, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);",
      "	if (BUG)\n		return __atomic_compare_exchange_n(state, old, new_value, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);\n	return __atomic_compare_exchange_n(state, old, new_value, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);")),
    ("exchanges of the state word do not acquire", "interrupt, schedule", "data race",
     ("napi/state.h", "static inline bool napi_state_cas(unsigned long *state, unsigned long *old, unsigned long new_value)\n{\n",
      "static inline bool napi_state_cas(unsigned long *state, unsigned long *old, unsigned long new_value)\n{\n	if (BUG)\n		return __atomic_compare_exchange_n(state, old, new_value, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED);\n")),
    ("resume does not acquire", "schedule, move", "lost wake-up",
     ("napi/state.h", "	__atomic_fetch_and(state, ~(NAPIF_DISABLE | NAPIF_NPSVC), __ATOMIC_ACQ_REL);",
      "	if (BUG)\n		__atomic_fetch_and(state, ~(NAPIF_DISABLE | NAPIF_NPSVC), __ATOMIC_RELEASE);\n	else\n		__atomic_fetch_and(state, ~(NAPIF_DISABLE | NAPIF_NPSVC), __ATOMIC_ACQ_REL);")),
    ("disable does not wait for the owner", "interrupt, disable", "disabled",
     ("napi/state.h", "		if (old & (NAPIF_SCHED | NAPIF_NPSVC))\n			return false;\n		new_value = (old",
      "		if (old & (BUG ? NAPIF_NPSVC : NAPIF_SCHED | NAPIF_NPSVC))\n			return false;\n		new_value = (old")),
    ("the busy loop does not test SCHED", "busy loop", "data race",
     ("napi/state.h", "		if (old & (NAPIF_DISABLE | NAPIF_SCHED | NAPIF_IN_BUSY_POLL))",
      "		if (old & (NAPIF_DISABLE | (BUG ? 0 : NAPIF_SCHED) | NAPIF_IN_BUSY_POLL))")),
    ("the busy loop starts the timer before it lets go", "preferring busy loop", "masked",
     ("napi/busy_loop.c", "		napi_state_busy_let_go(&n->state);\n		timer_start(&n->timer, timeout);",
      "		if (BUG)\n			timer_start(&n->timer, timeout);\n		napi_state_busy_let_go(&n->state);\n		if (!BUG)\n			timer_start(&n->timer, timeout);")),
    ("completion starts the timer before it lets go", "busy loop, deferral", "masked",
     ("napi/schedule.c", "	if (unlikely(napi_state_complete(&n->state) & NAPIF_MISSED))\n		return complete_missed(n, unmask);",
      "	if (BUG && timeout)\n		timer_start(&n->timer, timeout);\n	if (unlikely(napi_state_complete(&n->state) & NAPIF_MISSED))\n		return complete_missed(n, unmask);\n	if (BUG)\n		return unmask;")),
    ("disable does not cancel the timer", "deferral, disable", "timer fires after",
     ("napi/napi.c", "	timer_cancel(&n->timer);", "	if (!BUG)\n		timer_cancel(&n->timer);")),
    ("disable does not wait for a busy loop that has let go", "preferring busy loop, disable", "timer fires after",
     ("napi/napi.c", "	while (napi_held(n)) {", "	while (!BUG && napi_held(n)) {")),
    ("a suspension does not keep its instance", "suspend, disable", "timer fires after",
     ("napi/suspend.c", "		timer_start_at(&n->timer, expires);", "		if (BUG)\n			napi_let_go(n);\n		timer_start_at(&n->timer, expires);\n		if (BUG)\n			return;")),
    ("an instance that is being disabled is kept", "suspend, disable", "timer fires after",
     ("napi/busy_loop.c", "	if (n && !(napi_state_read(&n->state) & NAPIF_DISABLE)) {", "	if (n && (BUG || !(napi_state_read(&n->state) & NAPIF_DISABLE))) {")),
    ("a suspension takes the timer away", "suspend", "masked",
     ("napi/suspend.c", "		WRITE_ONCE(n->suspended_until, expires);", "		WRITE_ONCE(n->suspended_until, expires);\n		if (BUG) {\n			timer_cancel(&n->timer);\n			napi_let_go(n);\n			return;\n		}")),
    ("resuming queues without asking whose the instance is", "resume", "data race",
     ("napi/suspend.c", "		napi_schedule(n);", "		if (BUG)\n			__napi_schedule(n);\n		else\n			napi_schedule(n);")),
    ("resuming polls in a context that another thread runs", "resume", "data race",
     ("napi/suspend.c", "	if (rc)\n		return;", "	if (rc && !BUG)\n		return;")),
    ("a disable that gives up does not schedule", "schedule twice, disable in time or not", "lost wake-up",
     ("napi/napi.c", "		unapi_napi_schedule_cause(n, UNAPI_CAUSE_MODE_SWITCH);",
      "		if (!BUG)\n			unapi_napi_schedule_cause(n, UNAPI_CAUSE_MODE_SWITCH);")),
    ("a move does not queue", "interrupt, move", "at rest, but owned",
     ("napi/napi.c", "	napi_state_resume(&n->state);\n	napi_queue(n);", "	napi_state_resume(&n->state);\n	if (!BUG)\n		napi_queue(n);")),
    ("the pusher's look is not sequentially consistent", "schedule, schedule", "lost wake-up",
     ("napi/inbox.h", "	if (__atomic_load_n(&box->sleep, __ATOMIC_SEQ_CST) != INBOX_ASLEEP)",
      "	if ((BUG ? __atomic_load_n(&box->sleep, __ATOMIC_ACQUIRE) : __atomic_load_n(&box->sleep, __ATOMIC_SEQ_CST)) != INBOX_ASLEEP)")),
    ("the push is not sequentially consistent", "schedule, schedule", "lost wake-up",
     ("napi/inbox.h", "	do {\n		n->inbox_next = head;\n	} while (",
      "	if (BUG) {\n		do {\n			n->inbox_next = head;\n		} while (!__atomic_compare_exchange_n(&box->head, &head, n, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));\n		return inbox_must_wake(box);\n	}\n	do {\n		n->inbox_next = head;\n	} while (")),
    ("the sleeper says so only after it has looked", "schedule, schedule", "lost wake-up",
     ("napi/inbox.h", "	__atomic_store_n(&box->sleep, INBOX_ASLEEP, __ATOMIC_SEQ_CST);\n	return",
      "	if (BUG) {\n		bool empty = !__atomic_load_n(&box->head, __ATOMIC_SEQ_CST);\n\n		__atomic_store_n(&box->sleep, INBOX_ASLEEP, __ATOMIC_SEQ_CST);\n		return empty;\n	}\n	__atomic_store_n(&box->sleep, INBOX_ASLEEP, __ATOMIC_SEQ_CST);\n	return")),
    ("the sleeper does not look again", "schedule, schedule", "lost wake-up",
     ("napi/inbox.h", "	return !__atomic_load_n(&box->head, __ATOMIC_SEQ_CST);\n}\n\n/* Needs",
      "	return BUG || !__atomic_load_n(&box->head, __ATOMIC_SEQ_CST);\n}\n\n/* Needs")),
    ("the inbox is taken without acquire", "schedule, schedule", "data race",
     ("napi/inbox.h", "	for (n = __atomic_exchange_n(&box->head, NULL, __ATOMIC_ACQUIRE); n; n = next) {",
      "	n = BUG ? __atomic_exchange_n(&box->head, NULL, __ATOMIC_RELAXED) :\n		  __atomic_exchange_n(&box->head, NULL, __ATOMIC_ACQUIRE);\n	for (; n; n = next) {")),
    ("a context is left without a look at what was left", "application's loop", "lost wake-up",
     ("napi/context.c", "	if (left && inbox_must_wake(&c->inbox))", "	if (!BUG && left && inbox_must_wake(&c->inbox))")),
    ("the context's lock is let go without release", "application's loop, disable", "data race",
     ("napi/context.c", "	__atomic_store_n(&c->runner, 0, __ATOMIC_RELEASE);",
      "	if (BUG)\n		__atomic_store_n(&c->runner, 0, __ATOMIC_RELAXED);\n	else\n		__atomic_store_n(&c->runner, 0, __ATOMIC_RELEASE);")),
    ("an earlier timer does not wake its context", "preferring busy loop", "masked",
     ("napi/timer.c", "	earlier = c->timer_next < before;", "	earlier = !BUG && c->timer_next < before;")),
    ("caller polling begins without asking whose the instance is", "caller, schedule", "data race",
     ("napi/state.h", "		if (!(old & NAPIF_SCHED) == queued)\n			return false;",
      "		if (!BUG && !(old & NAPIF_SCHED) == queued)\n			return false;")),
    ("the end of caller polling always lets go", "caller", "masked",
     ("napi/state.h", "		if (old & NAPIF_DISABLE)\n			new_value &= ~NAPIF_SCHED;\n	} while (!napi_state_cas(state, &old, new_value));\n	return !(old & NAPIF_DISABLE);",
      "		if (BUG || old & NAPIF_DISABLE)\n			new_value &= ~NAPIF_SCHED;\n	} while (!napi_state_cas(state, &old, new_value));\n	return !BUG && !(old & NAPIF_DISABLE);")),
    ("a thread that busy polls does not see DISABLE", "busy thread, disable", "waits in vain",
     ("napi/state.h", "	bool busy = (v & (NAPIF_THREADED_BUSY_POLL | NAPIF_DISABLE)) == NAPIF_THREADED_BUSY_POLL;",
      "	bool busy = (v & (NAPIF_THREADED_BUSY_POLL | (BUG ? 0 : NAPIF_DISABLE))) == NAPIF_THREADED_BUSY_POLL;")),
    ("a starving instance does not look at the rings again", "starving", "gives it to the ring",
     ("net/page_pool.c", "	if (!drain(p))\n		return false;", "	if (BUG || !drain(p))\n		return false;")),
    ("a returner looks for STARVING before it publishes", "starving", "gives it to the ring",
     ("net/page_pool.c", "	if (likely(r))\n		return_ring_push(r, bufs, n);",
      "	if (BUG) {\n		if (__atomic_load_n(&p->flags, __ATOMIC_SEQ_CST))\n			returned_to_flags(p);\n		return_ring_push(r, bufs, n);\n		return;\n	}\n	if (likely(r))\n		return_ring_push(r, bufs, n);")),
    ("a returner's publication is not sequentially consistent", "starving", "gives it to the ring",
     ("net/return_ring.c", "	__atomic_store_n(&r->tail, tail, __ATOMIC_SEQ_CST);",
      "	if (BUG)\n		__atomic_store_n(&r->tail, tail, __ATOMIC_RELEASE);\n	else\n		__atomic_store_n(&r->tail, tail, __ATOMIC_SEQ_CST);")),
    ("STARVING is not set sequentially consistently", "starving", "gives it to the ring",
     ("net/page_pool.c", "	__atomic_store_n(&p->flags, POOL_STARVING, __ATOMIC_SEQ_CST);",
      "	if (BUG)\n		__atomic_store_n(&p->flags, POOL_STARVING, __ATOMIC_RELEASE);\n	else\n		__atomic_store_n(&p->flags, POOL_STARVING, __ATOMIC_SEQ_CST);")),
    ("a cleaner enters without an exchange", "producer, schedule", "data race",
     ("net/txq.c", "		    !__atomic_compare_exchange_n(&q->rest, &rest, TXQ_CLEANING, false, __ATOMIC_ACQUIRE,\n						 __ATOMIC_RELAXED))",
      "		    (BUG ? __atomic_store_n(&q->rest, TXQ_CLEANING, __ATOMIC_SEQ_CST), false :\n		     !__atomic_compare_exchange_n(&q->rest, &rest, TXQ_CLEANING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))")),
    ("a producer wakes without an exchange", "producer, schedule", "data race",
     ("net/txq.c", "	unsigned int spins = 0;\n\n	while (",
      "	unsigned int spins = 0;\n\n	if (BUG)\n		__atomic_store_n(&q->rest, rest = TXQ_AWAKE, __ATOMIC_SEQ_CST);\n	while (!BUG && ")),
    ("a cleaner leaves without release", "producer, schedule", "data race",
     ("net/txq.c", "		__atomic_store_n(&q->rest, TXQ_ASLEEP, __ATOMIC_RELEASE);\n	}\n}",
      "		__atomic_store_n(&q->rest, TXQ_ASLEEP, BUG ? __ATOMIC_RELAXED : __ATOMIC_RELEASE);\n	}\n}")),
    ("a producer that found the ring full has no interrupt", "full ring", "its producer sleeps",
     ("net/txq.c", "	if (!(READ_ONCE(q->routed) & TXQ_STOPPED))\n", "	if (!BUG && !(READ_ONCE(q->routed) & TXQ_STOPPED))\n")),
    ("a producer sleeps before it notes that it wants to be told", "full ring, schedule", "data race",
     ("net/txq.c", "	q->stopped = true;\n	q->waiter", "	if (BUG && !q->producer)\n		txq_declare_sleep(q);\n	q->stopped = true;\n	q->waiter")),
    ("a cleaner lets go before it tells the producer", "full ring twice", "data race",
     ("net/txq.c", "		if (unlikely(q->stopped) && has_room(q))\n			tell_producer(q);",
      "		if (BUG)\n			__atomic_store_n(&q->rest, TXQ_ASLEEP, __ATOMIC_RELEASE);\n		if (unlikely(q->stopped) && has_room(q))\n			tell_producer(q);")),
    ("a cleaner does not ask whether somebody waits for room", "full ring", "its producer sleeps",
     ("net/txq.c", "		if (unlikely(q->stopped) && has_room(q))\n			tell", "		if (!BUG && unlikely(q->stopped) && has_room(q))\n			tell")),
    ("a producer that goes to sleep does not have the instance look again", "producer", "not cleaned",
     ("net/txq.c", "	if (unlikely(READ_ONCE(q->routed)) && q->napi)", "	if (!BUG && unlikely(READ_ONCE(q->routed)) && q->napi)")),
    ("a filler's publication is not sequentially consistent", "endpoint", "left in the endpoint",
     ("net/endpoint_ring.c", "		__atomic_store_n(&e->tail, tail + n, __ATOMIC_SEQ_CST);",
      "		__atomic_store_n(&e->tail, tail + n, BUG ? __ATOMIC_RELEASE : __ATOMIC_SEQ_CST);")),
    ("a reader that may sleep does not look again", "endpoint", "left in the endpoint",
     ("net/endpoint_ring.c", "	if (__atomic_load_n(&e->tail, __ATOMIC_SEQ_CST) != e->head)", "	if (!BUG && __atomic_load_n(&e->tail, __ATOMIC_SEQ_CST) != e->head)")),
    ("a reader finds nothing to read, and says that it sleeps", "endpoint", "stays readable",
     ("net/endpoint_ring.c", "		if (read(e->pollable.fd, &count, sizeof(count)) < 0)", "		if (read(e->pollable.fd, &count, sizeof(count)) < 0 && !BUG)")),
    ("a reader says that it is awake though it has been told", "endpoint, awake", "stays readable",
     ("net/endpoint_ring.c", "	return __atomic_compare_exchange_n(&e->reader, &asleep, ENDPOINT_AWAKE, false, __ATOMIC_RELAXED,",
      "	return BUG ? (__atomic_store_n(&e->reader, ENDPOINT_AWAKE, __ATOMIC_RELAXED), false) :\n		__atomic_compare_exchange_n(&e->reader, &asleep, ENDPOINT_AWAKE, false, __ATOMIC_RELAXED,")),
    ("a returner does not schedule who starves", "starving", "gives it to the ring",
     ("net/page_pool.c", "	if (flags & POOL_STARVING && p->napi)", "	if (!BUG && flags & POOL_STARVING && p->napi)")),
]

# Bugs of the driver's, by the number that they have in tests/model/roles.h.
DRIVER_BUGS = [
    ("the driver unmasks before it completes", "interrupt", "unmasked by an owner", "DRIVER_UNMASKS_EARLY"),
    ("the driver does not wait until the device knows that a cause is routed", "full ring", "its producer sleeps",
     "DRIVER_DOES_NOT_FLUSH"),
]


def main():
    root, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text, found = {}, []
    paths = sorted(path for directory in ("napi", "net") for path in (root / "core" / directory).glob("*.[ch]"))
    for path in paths:
        text[f"{path.parent.name}/{path.name}"] = path.read_text()
    for number, (_, _, _, (name, old, new)) in enumerate(BUGS, 1):
        source = text.get(name, "")
        found.append(source.count(old) == 1)
        if found[-1]:
            text[name] = source.replace(old, re.sub(r"\bBUG\b", f"!(model_bug - {number})", new))
    for name, source in text.items():
        path = out / ("core/" + name if name.endswith(".h") else "bugs_" + name.replace("/", "_"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (out / "bugs.d").write_text("bugs.h: " + " ".join(str(path) for path in paths) + "\n")
    lines = ["static const struct bug bugs[] = {"]
    row = '	{"%s", "%s", "%s", %s, %s},'
    lines += [row % (*bug[:3], number, str(there).lower()) for number, (bug, there) in enumerate(zip(BUGS, found), 1)]
    lines += [row % (*bug, "true") for bug in DRIVER_BUGS]
    (out / "bugs.h").write_text("\n".join(lines + ["};", ""]))


main()
