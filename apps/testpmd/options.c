/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cores.h"
#include "fwd.h"
#include "options.h"

/* What is being parsed: the options so far, the words left, and where to complain. */
struct parse {
	struct options *opt;
	char **argv;
	int argc, at;
	char *err;
	size_t size;
};

/* One option. A handler without a value gets NULL. */
struct option_def {
	const char *name, *alias;
	bool has_value;
	int (*handle)(struct parse *p, const char *name, const char *value);
};

static int complain(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int complain(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int parse_number(const char *text, unsigned int min, unsigned int max, unsigned int *out)
{
	unsigned long long value;
	char *end;

	/* strtoull takes signs and blanks, which no number here has. */
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

static int number(struct parse *p, const char *name, const char *value, unsigned int min, unsigned int max,
		  unsigned int *out)
{
	if (parse_number(value, min, max, out))
		return complain(p, "%s %s: a number from %u to %u is wanted", name, value, min, max);
	return 0;
}

static int on_cores(struct parse *p, const char *name, const char *value)
{
	char why[160];

	if (cores_parse(value, p->opt->cores, MAX_LCORES, &p->opt->nr_cores, why, sizeof(why)))
		return complain(p, "%s %s: %s", name, value, why);
	return 0;
}

static int on_device(struct parse *p, const char *name, const char *value)
{
	struct options *opt = p->opt;

	if (!*value)
		return complain(p, "%s: a device is wanted, such as 0000:03:00.0 or sim:igb", name);
	for (unsigned int i = 0; i < opt->nr_devices; i++) {
		/* Each "sim:" string starts a NIC of its own; any other names one that is there only once. */
		if (strncmp(value, "sim:", 4) && !strcmp(opt->devices[i], value))
			return complain(p, "%s %s: given twice", name, value);
	}
	if (opt->nr_devices == MAX_PORTS)
		return complain(p, "%s %s: more than %u devices", name, value, MAX_PORTS);
	opt->devices[opt->nr_devices++] = value;
	return 0;
}

static int on_help(struct parse *p, const char *name, const char *value)
{
	p->opt->help = true;
	return 0;
}

static int on_version(struct parse *p, const char *name, const char *value)
{
	p->opt->version = true;
	return 0;
}

static int on_interactive(struct parse *p, const char *name, const char *value)
{
	p->opt->interactive = true;
	return 0;
}

static int on_auto_start(struct parse *p, const char *name, const char *value)
{
	p->opt->auto_start = true;
	return 0;
}

static int on_forward_mode(struct parse *p, const char *name, const char *value)
{
	char names[128];

	p->opt->engine = fwd_find(value);
	if (!p->opt->engine)
		return complain(p, "%s %s: no such mode; there are %s", name, value,
				fwd_names(names, sizeof(names), ", "));
	return 0;
}

static int on_rxq(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 1, MAX_QUEUES, &p->opt->rxq);
}

static int on_txq(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 1, MAX_QUEUES, &p->opt->txq);
}

static int on_combined(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 0, MAX_QUEUES, &p->opt->combined);
}

static int on_rx_only(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 0, MAX_QUEUES, &p->opt->rx_only);
}

static int on_tx_only(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 0, MAX_QUEUES, &p->opt->tx_only);
}

static int on_rxd(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 1, 65536, &p->opt->rxd);
}

static int on_txd(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 1, 65536, &p->opt->txd);
}

static int on_burst(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 1, MAX_BURST, &p->opt->burst);
}

static int on_nb_cores(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 1, MAX_LCORES, &p->opt->nb_cores);
}

static int on_stats_period(struct parse *p, const char *name, const char *value)
{
	return number(p, name, value, 0, MAX_PERIOD, &p->opt->stats_period);
}

static int on_poll_mode(struct parse *p, const char *name, const char *value)
{
	if (unapi_mode_parse(value, &p->opt->poll_mode))
		return complain(p, "%s %s: a mode such as interrupt or busy is wanted", name, value);
	return 0;
}

static int on_stats_json(struct parse *p, const char *name, const char *value)
{
	if (!*value)
		return complain(p, "%s: a file name is wanted", name);
	p->opt->stats_json = value;
	return 0;
}

static int on_no_stats_socket(struct parse *p, const char *name, const char *value)
{
	p->opt->no_stats_socket = true;
	return 0;
}

static int on_no_flush_rx(struct parse *p, const char *name, const char *value)
{
	p->opt->no_flush_rx = true;
	return 0;
}

static const struct option_def eal_options[] = {
	{"-l", "--lcores", true, on_cores},
	{"-a", "--allow", true, on_device},
	{"-h", "--help", false, on_help},
	{"-v", "--version", false, on_version},
	{NULL},
};

static const struct option_def own_options[] = {
	{"--interactive", "-i", false, on_interactive},
	{"--auto-start", "-a", false, on_auto_start},
	{"--forward-mode", NULL, true, on_forward_mode},
	{"--rxq", NULL, true, on_rxq},
	{"--txq", NULL, true, on_txq},
	{"--combined", NULL, true, on_combined},
	{"--rx-only", NULL, true, on_rx_only},
	{"--tx-only", NULL, true, on_tx_only},
	{"--rxd", NULL, true, on_rxd},
	{"--txd", NULL, true, on_txd},
	{"--burst", NULL, true, on_burst},
	{"--nb-cores", NULL, true, on_nb_cores},
	{"--stats-period", NULL, true, on_stats_period},
	{"--poll-mode", NULL, true, on_poll_mode},
	{"--stats-json", NULL, true, on_stats_json},
	{"--no-stats-socket", NULL, false, on_no_stats_socket},
	{"--no-flush-rx", NULL, false, on_no_flush_rx},
	{"--help", "-h", false, on_help},
	{NULL},
};

static const struct option_def *find(const struct option_def *defs, const char *word, size_t len)
{
	for (const struct option_def *d = defs; d->name; d++) {
		if ((strlen(d->name) == len && !memcmp(d->name, word, len)) ||
		    (d->alias && strlen(d->alias) == len && !memcmp(d->alias, word, len)))
			return d;
	}
	return NULL;
}

/* The next option and its value, which is the rest of "--name=value", or the next word. */
static int parse_one(struct parse *p, const struct option_def *defs, bool own)
{
	const char *word = p->argv[p->at++];
	const char *equals = !strncmp(word, "--", 2) ? strchr(word, '=') : NULL;
	const struct option_def *d = find(defs, word, equals ? (size_t)(equals - word) : strlen(word));
	const char *value = NULL;

	if (!d) {
		bool elsewhere = find(own ? eal_options : own_options, word,
				      equals ? (size_t)(equals - word) : strlen(word));

		return complain(p, "%s: %s%s", word, word[0] == '-' ? "no such option" : "not an option",
				!elsewhere ? " (see --help)"
				: own	   ? "; it belongs before \"--\""
					   : "; it belongs after \"--\"");
	}
	if (d->has_value) {
		if (equals)
			value = equals + 1;
		else if (p->at < p->argc && strcmp(p->argv[p->at], "--"))
			value = p->argv[p->at++];
		else
			return complain(p, "%s: a value is wanted", word);
	} else if (equals) {
		return complain(p, "%s: takes no value", d->name);
	}
	return d->handle(p, d->name, value);
}

int options_parse(struct options *opt, int argc, char **argv, char *err, size_t size)
{
	struct parse p = {.opt = opt, .argv = argv, .argc = argc, .at = 1, .err = err, .size = size};
	bool own = false;
	int rc;

	memset(opt, 0, sizeof(*opt));
	opt->engine = fwd_default();
	opt->nb_cores = 1;
	opt->burst = 32;
	while (p.at < argc) {
		if (!own && !strcmp(argv[p.at], "--")) {
			own = true;
			p.at++;
			continue;
		}
		rc = parse_one(&p, own ? own_options : eal_options, own);
		if (rc)
			return rc;
	}
	if (!opt->help && !opt->version && !opt->nr_devices)
		return complain(&p, "no device: give at least one, such as -a 0000:03:00.0 or -a sim:igb");
	return 0;
}

const char *options_usage(void)
{
	return "usage: unapi-testpmd [-l CORES] -a DEVICE [-a DEVICE...] [-- OPTION...]\n"
	       "\n"
	       "  -l CORES               cores to use, such as 0-1,3; the first runs the main thread "
	       "(default: all)\n"
	       "  -a DEVICE              0000:03:00.0, vfio-user:/path/to/socket, or sim:igb[,key=value...]\n"
	       "  -v, --version          print the versions of program and library\n"
	       "  -h, --help             print this\n"
	       "\n"
	       "  --interactive, -i      commands from standard input, with a prompt (type help there)\n"
	       "  --auto-start           start forwarding at once (always so without --interactive)\n"
	       "  --forward-mode=MODE    io, mac, macswap, rxonly, txonly or icmpecho (default io)\n"
	       "  --rxq=N --txq=N        receive and transmit queues of a port (default 1, or one a "
	       "channel)\n"
	       "  --combined=N           channels (an interrupt and a NAPI instance each) that receive and\n"
	       "                         transmit (default: one for each pair of queues); more queues share "
	       "them\n"
	       "  --rx-only=N --tx-only=N  channels besides these, that do one of the two\n"
	       "  --rxd=N --txd=N        descriptors in their rings (default 512)\n"
	       "  --burst=N              packets handled at a time (default 32)\n"
	       "  --nb-cores=N           forwarding threads (default 1)\n"
	       "  --poll-mode=MODE       as set poll-mode takes it (default interrupt)\n"
	       "  --stats-period=S       print statistics, and a line of JSON, each S seconds\n"
	       "  --stats-json=FILE      where the JSON goes: one object a line, the last with \"final\": "
	       "true\n"
	       "  --no-stats-socket      nothing for unapi-napi-top to look at\n"
	       "  --no-flush-rx          queues in mode busy keep what comes before start, and forward it "
	       "then\n";
}
