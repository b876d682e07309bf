/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The static probes, as a tracer finds them: the notes in this program's own file say which probes there are,
 * and each place holds a nop. Then breakpoints are put there, as the kernel does when one attaches, and what
 * the notes say of the arguments is looked up in the registers of each hit.
 */
#include "napi_fake.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>

#define MAX_SITES 64
#define MAX_HITS  4096
#define MAX_ARGS  5

static const struct probe {
	const char *family, *name;
	unsigned int nr_args;
} probes[] = {
	{"napi", "napi_poll", 5},
	{"irq", "irq_handler_entry", 3},
	{"irq", "irq_handler_exit", 3},
	{"irq", "softirq_entry", 2},
	{"irq", "softirq_exit", 3},
	{"timer", "hrtimer_start", 3},
	{"timer", "hrtimer_expire_entry", 3},
	{"timer", "hrtimer_expire_exit", 1},
	{"timer", "hrtimer_cancel", 1},
	{"unapi", "napi_schedule", 4},
	{"unapi", "napi_complete", 4},
	{"unapi", "napi_takeover", 4},
	{"unapi", "napi_handover", 4},
	{"unapi", "napi_mode", 4},
	{"unapi", "napi_threaded", 4},
	{"unapi", "napi_enable", 4},
};
#define NR_PROBES (sizeof(probes) / sizeof(probes[0]))

struct site {
	uint8_t *code;
	const struct probe *probe;
	const char *args;
};

struct hit {
	const struct probe *probe;
	int64_t arg[MAX_ARGS];
};

static uint8_t *image; /* this program's file */
static struct site sites[MAX_SITES];
static unsigned int nr_sites;
static struct hit hits[MAX_HITS];
static unsigned int nr_hits;
static const char *undecoded; /* the text of an argument that none of the below fits */

static const struct probe *find_probe(const char *family, const char *name)
{
	for (unsigned int i = 0; i < NR_PROBES; i++)
		if (!strcmp(probes[i].family, family) && !strcmp(probes[i].name, name))
			return &probes[i];
	return NULL;
}

static const Elf64_Shdr *section(const char *name)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)image;
	const Elf64_Shdr *sh = (const Elf64_Shdr *)(image + eh->e_shoff);
	const char *names = (const char *)image + sh[eh->e_shstrndx].sh_offset;

	for (unsigned int i = 0; i < eh->e_shnum; i++)
		if (!strcmp(names + sh[i].sh_name, name))
			return &sh[i];
	return NULL;
}

static int first_object(struct dl_phdr_info *info, size_t size, void *data)
{
	*(uint64_t *)data = info->dlpi_addr;
	return 1;
}

static int read_notes(void **state)
{
	const Elf64_Shdr *notes, *base;
	uint64_t moved, at = 0;
	struct stat st;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && !fstat(fd, &st));
	image = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, image, (size_t)st.st_size), st.st_size);
	close(fd);
	notes = section(".note.stapsdt");
	base = section(".stapsdt.base");
	assert_non_null(notes);
	assert_non_null(base);
	dl_iterate_phdr(first_object, &moved);
	while (at < notes->sh_size) {
		const uint8_t *note = image + notes->sh_offset + at;
		const Elf64_Nhdr *nh = (const Elf64_Nhdr *)note;
		const uint8_t *desc = note + sizeof(*nh) + ((nh->n_namesz + 3) & ~3u);
		uint64_t where[3]; /* code, base, semaphore: aligned to 4 only */
		const char *family = (const char *)desc + sizeof(where), *name = family + strlen(family) + 1;
		struct site *s = &sites[nr_sites++];

		memcpy(where, desc, sizeof(where));
		assert_true(nr_sites <= MAX_SITES);
		assert_int_equal(nh->n_type, 3);
		assert_int_equal(where[2], 0); /* no semaphore */
		s->code = (uint8_t *)(where[0] + (base->sh_addr - where[1]) + moved);
		s->probe = find_probe(family, name);
		if (!s->probe)
			fail_msg("%s:%s is not among the documented probes", family, name);
		s->args = name + strlen(name) + 1;
		at += sizeof(*nh) + ((nh->n_namesz + 3) & ~3u) + ((nh->n_descsz + 3) & ~3u);
	}
	return 0;
}

static int free_notes(void **state)
{
	free(image);
	return 0;
}

static unsigned int count_args(const char *args)
{
	unsigned int n = 0;

	for (; *args; args++)
		n += *args == '@';
	return n;
}

static void notes(void **state)
{
	for (unsigned int i = 0; i < nr_sites; i++) {
		assert_int_equal(count_args(sites[i].args), sites[i].probe->nr_args);
		assert_int_equal(*sites[i].code, 0x90);
	}
	for (unsigned int p = 0; p < NR_PROBES; p++) {
		unsigned int found = 0;

		for (unsigned int i = 0; i < nr_sites; i++)
			found += sites[i].probe == &probes[p];
		if (!found)
			fail_msg("%s:%s is nowhere", probes[p].family, probes[p].name);
	}
}

/* "%rax", "%eax", "%al", ... : bits beyond the argument's size are cut off later. False: none. */
static bool reg_value(const char *name, size_t len, const greg_t *g, int64_t *out)
{
	static const struct {
		const char *names;
		int reg;
	} regs[] = {
		{"%rax %eax %ax %al ", REG_RAX},      {"%rbx %ebx %bx %bl ", REG_RBX},
		{"%rcx %ecx %cx %cl ", REG_RCX},      {"%rdx %edx %dx %dl ", REG_RDX},
		{"%rsi %esi %si %sil ", REG_RSI},     {"%rdi %edi %di %dil ", REG_RDI},
		{"%rbp %ebp %bp %bpl ", REG_RBP},     {"%rsp %esp %sp %spl ", REG_RSP},
		{"%r8 %r8d %r8w %r8b ", REG_R8},      {"%r9 %r9d %r9w %r9b ", REG_R9},
		{"%r10 %r10d %r10w %r10b ", REG_R10}, {"%r11 %r11d %r11w %r11b ", REG_R11},
		{"%r12 %r12d %r12w %r12b ", REG_R12}, {"%r13 %r13d %r13w %r13b ", REG_R13},
		{"%r14 %r14d %r14w %r14b ", REG_R14}, {"%r15 %r15d %r15w %r15b ", REG_R15},
	};
	char word[8];

	if (len + 1 >= sizeof(word))
		return false;
	memcpy(word, name, len);
	word[len] = ' ';
	word[len + 1] = '\0';
	for (unsigned int i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		if (strstr(regs[i].names, word)) {
			*out = g[regs[i].reg];
			return true;
		}
	}
	return false;
}

/* One argument, such as "-4@%eax", "8@512(%rbx)", "4@16(%rax,%rdx,8)" or "-4@$3". What is behind it, NULL if
 * it is something else. In a signal handler. */
static const char *decode(const char *text, const greg_t *g, int64_t *out)
{
	char *at;
	long size = strtol(text, &at, 10), bytes = labs(size), offset;
	int64_t value = 0, base, index = 0;

	at++;
	if (*at == '$') {
		value = strtol(at + 1, &at, 10);
	} else if (*at == '%') {
		size_t len = strcspn(at, " ");

		if (!reg_value(at, len, g, &value))
			return NULL;
		at += len;
	} else {
		long scale = 1;
		size_t len;

		offset = strtol(at, &at, 10);
		len = strcspn(at, ",)");
		if (*at != '(' || !reg_value(at + 1, len - 1, g, &base))
			return NULL;
		at += len;
		if (*at == ',') {
			len = strcspn(++at, ",)");
			if (!reg_value(at, len, g, &index))
				return NULL;
			at += len;
			if (*at == ',')
				scale = strtol(at + 1, &at, 10);
		}
		at++;
		memcpy(&value, (const void *)(base + index * scale + offset), (size_t)bytes);
	}
	value = (int64_t)((uint64_t)value << (64 - 8 * bytes));
	*out = size < 0 ? value >> (64 - 8 * bytes) : (int64_t)((uint64_t)value >> (64 - 8 * bytes));
	return at;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	const greg_t *g = ((const ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *code = (const uint8_t *)g[REG_RIP] - 1;
	unsigned int at = __atomic_fetch_add(&nr_hits, 1, __ATOMIC_ACQ_REL);

	for (unsigned int i = 0; at < MAX_HITS && i < nr_sites; i++) {
		const char *text = sites[i].args;

		if (sites[i].code != code)
			continue;
		hits[at].probe = sites[i].probe;
		for (unsigned int a = 0; a < sites[i].probe->nr_args; a++) {
			const char *rest = decode(text, g, &hits[at].arg[a]);

			if (!rest) {
				undecoded = text;
				break;
			}
			text = *rest ? rest + 1 : rest;
		}
	}
}

static void write_code(uint8_t byte)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (unsigned int i = 0; i < nr_sites; i++) {
		void *start = (void *)((uintptr_t)sites[i].code & ~(page - 1));

		assert_int_equal(mprotect(start, page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
		*sites[i].code = byte;
		assert_int_equal(mprotect(start, page, PROT_READ | PROT_EXEC), 0);
	}
}

/* The thread sanitizer keeps signals back until it suits it, and the registers have changed by then. */
static void can_attach(void)
{
#ifdef __SANITIZE_THREAD__
	skip();
#endif
}

static void attach(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	memset(hits, 0, sizeof(hits));
	nr_hits = 0;
	undecoded = NULL;
	assert_int_equal(sigaction(SIGTRAP, &sa, NULL), 0);
	write_code(0xcc);
}

static void detach(void)
{
	write_code(0x90);
	signal(SIGTRAP, SIG_DFL);
	if (undecoded)
		fail_msg("an argument that this test cannot look up: %s", undecoded);
	assert_true(nr_hits < MAX_HITS);
}

/* The next hit of this probe from *@from on, which moves behind it. */
static const struct hit *next_hit(unsigned int *from, const char *family, const char *name)
{
	const struct probe *p = find_probe(family, name);

	while (*from < nr_hits)
		if (hits[(*from)++].probe == p)
			return &hits[*from - 1];
	fail_msg("%s:%s was not hit%s", family, name, *from ? " any more" : "");
	return NULL;
}

static unsigned int hits_of(const char *family, const char *name)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr_hits; i++)
		n += hits[i].probe == find_probe(family, name);
	return n;
}

static void has_name(const struct hit *h, unsigned int arg, const struct fake *f)
{
	assert_string_equal((const char *)h->arg[arg], f->n.name);
	assert_int_equal(h->arg[arg + 1], f->n.napi_id);
}

static void is_poll(const struct hit *h, const struct fake *f, int work, int budget)
{
	assert_ptr_equal(h->arg[0], &f->n);
	assert_int_equal(h->arg[1], work);
	assert_int_equal(h->arg[2], budget);
	has_name(h, 3, f);
}

static void an_interrupt(void **state)
{
	struct unapi_context *c;
	const struct hit *h;
	unsigned int at = 0;
	struct fake f;

	can_attach();
	c = fake_context(0);
	fake_add(&f, c, 'a');
	fake_add_vector(&f);
	attach();
	assert_int_equal(napi_enable(&f.n), 0);
	f.backlog = 67;
	fake_interrupt(&f);
	assert_int_equal(unapi_context_run(c, 0), 67);
	detach();

	h = next_hit(&at, "unapi", "napi_enable");
	assert_ptr_equal(h->arg[0], &f.n);
	assert_int_equal(h->arg[1], 1);
	h = next_hit(&at, "irq", "irq_handler_entry");
	assert_int_equal(h->arg[0], f.vector);
	has_name(h, 1, &f);
	h = next_hit(&at, "unapi", "napi_schedule");
	assert_ptr_equal(h->arg[0], &f.n);
	assert_int_equal(h->arg[1], UNAPI_CAUSE_IRQ);
	has_name(h, 2, &f);
	next_hit(&at, "irq", "irq_handler_exit");
	h = next_hit(&at, "irq", "softirq_entry");
	assert_int_equal(h->arg[0], 3); /* NET_RX_SOFTIRQ */
	assert_ptr_equal(h->arg[1], c);
	is_poll(next_hit(&at, "napi", "napi_poll"), &f, 64, 64);
	h = next_hit(&at, "irq", "softirq_exit");
	assert_int_equal(h->arg[2], 64);
	h = next_hit(&at, "unapi", "napi_complete");
	assert_ptr_equal(h->arg[0], &f.n);
	assert_int_equal(h->arg[1], 1);
	has_name(h, 2, &f);
	is_poll(next_hit(&at, "napi", "napi_poll"), &f, 3, 64);
	assert_int_equal(hits_of("napi", "napi_poll"), 2);
	assert_int_equal(hits_of("timer", "hrtimer_start"), 0);

	fake_del(&f);
	assert_int_equal(unapi_context_destroy(c), 0);
}

static void a_timer(void **state)
{
	uint64_t now = 1000000;
	struct unapi_context *c;
	const struct hit *h;
	unsigned int at = 0;
	struct fake f;

	can_attach();
	unapi_clock_set_virtual(&now);
	c = fake_context(0);
	fake_add(&f, c, 'a');
	unapi_napi_set_defer_hard_irqs(&f.n, 1);
	unapi_napi_set_gro_flush_timeout(&f.n, 20000);
	assert_int_equal(napi_enable(&f.n), 0);
	attach();
	f.backlog = 1;
	napi_schedule(&f.n);
	unapi_context_run(c, 0);
	now += 20000;
	unapi_context_run(c, 0);
	assert_int_equal(napi_disable(&f.n), 0);
	detach();

	h = next_hit(&at, "timer", "hrtimer_start");
	assert_ptr_equal(h->arg[0], &f.n.timer);
	assert_ptr_equal(h->arg[1], napi_watchdog);
	assert_int_equal(h->arg[2], 1020000);
	h = next_hit(&at, "unapi", "napi_complete");
	assert_int_equal(h->arg[1], 0); /* deferred */
	h = next_hit(&at, "timer", "hrtimer_expire_entry");
	assert_ptr_equal(h->arg[0], &f.n.timer);
	assert_int_equal(h->arg[1], 1020000);
	assert_ptr_equal(h->arg[2], napi_watchdog);
	h = next_hit(&at, "unapi", "napi_schedule");
	assert_int_equal(h->arg[1], UNAPI_CAUSE_REPOLL);
	h = next_hit(&at, "timer", "hrtimer_expire_exit");
	assert_ptr_equal(h->arg[0], &f.n.timer);
	h = next_hit(&at, "unapi", "napi_complete");
	assert_int_equal(h->arg[1], 1);
	h = next_hit(&at, "unapi", "napi_enable");
	assert_int_equal(h->arg[1], 0);
	h = next_hit(&at, "timer", "hrtimer_cancel");
	assert_ptr_equal(h->arg[0], &f.n.timer);

	assert_int_equal(unapi_napi_del(&f.n), 0);
	assert_int_equal(unapi_context_destroy(c), 0);
	unapi_clock_set_virtual(NULL);
}

static void other_pollers(void **state)
{
	struct unapi_context *c;
	const struct hit *h;
	unsigned int at = 0;
	struct fake f;

	can_attach();
	c = fake_context(0);
	fake_add(&f, c, 'a');
	assert_int_equal(napi_enable(&f.n), 0);
	assert_int_equal(unapi_context_set_poller(c, true), 0);
	attach();
	assert_int_equal(unapi_napi_set_mode(&f.n, UNAPI_POLL_BUSY), 0);
	assert_int_equal(unapi_napi_poll_begin(&f.n), 0);
	f.backlog = 5;
	assert_int_equal(unapi_napi_poll(&f.n, 32), 5);
	assert_int_equal(unapi_napi_set_mode(&f.n, UNAPI_POLL_INTERRUPT), 0);
	unapi_context_run(c, 0);
	f.backlog = 2;
	assert_int_equal(napi_busy_loop(f.n.napi_id, NULL, NULL, false, 8), 0);
	detach();

	h = next_hit(&at, "unapi", "napi_mode");
	assert_int_equal(h->arg[1], 1);
	h = next_hit(&at, "unapi", "napi_takeover");
	assert_int_equal(h->arg[1], gettid());
	is_poll(next_hit(&at, "napi", "napi_poll"), &f, 5, 32);
	h = next_hit(&at, "unapi", "napi_mode");
	assert_int_equal(h->arg[1], 0);
	h = next_hit(&at, "unapi", "napi_handover");
	assert_int_equal(h->arg[1], gettid());
	is_poll(next_hit(&at, "napi", "napi_poll"), &f, 0, 64);
	is_poll(next_hit(&at, "napi", "napi_poll"), &f, 2, 8);

	/* Threads are set without one: it would block all signals, these too. */
	assert_int_equal(napi_disable(&f.n), 0);
	attach();
	assert_int_equal(napi_set_threaded(&f.n, NETDEV_NAPI_THREADED_ENABLED), 0);
	assert_int_equal(napi_set_threaded(&f.n, NETDEV_NAPI_THREADED_DISABLED), 0);
	detach();
	at = 0;
	h = next_hit(&at, "unapi", "napi_threaded");
	assert_int_equal(h->arg[1], 1);
	h = next_hit(&at, "unapi", "napi_threaded");
	assert_int_equal(h->arg[1], 0);

	fake_del(&f);
	assert_int_equal(unapi_context_destroy(c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes),
		cmocka_unit_test(an_interrupt),
		cmocka_unit_test(a_timer),
		cmocka_unit_test(other_pollers),
	};

	return cmocka_run_group_tests_name("probes", tests, read_notes, free_notes);
}
