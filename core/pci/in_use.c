/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this host would lose with a function: its default route, an ssh session, or a file system (a card's
 * group may have a disk controller in it). The administrator's own
 * session is known by SSH_CONNECTION, which sudo takes out of the environment and leaves in that of the shell
 * above it; sessions of others by their connections to port 22.
 */
#include "core/pci/describe.h"
#include "core/pci/disk.h"
#include "core/pci/iface.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SSH_PORT      22
#define MAX_ANCESTORS 64

/* IPv4 as ::ffff:a.b.c.d, as a socket of both kinds has it. */
static struct in6_addr mapped(const void *v4)
{
	struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&a.s6_addr[12], v4, 4);
	return a;
}

static bool address_of(const struct sockaddr *sa, struct in6_addr *a)
{
	if (sa && sa->sa_family == AF_INET)
		*a = mapped(&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	else if (sa && sa->sa_family == AF_INET6)
		*a = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	else
		return false;
	return true;
}

/* Does @name, or what stands upon it, have the address? */
static bool has_address(const char *name, const struct in6_addr *want)
{
	struct ifaddrs *all = NULL;
	struct in6_addr a;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (struct ifaddrs *i = all; i && !found; i = i->ifa_next)
		found = address_of(i->ifa_addr, &a) && !memcmp(&a, want, sizeof(a)) &&
			pci_iface_carries(name, i->ifa_name);
	freeifaddrs(all);
	return found;
}

/* sshd tells its sessions: "client-address client-port server-address server-port". */
static bool is_session_of(const char *connection, const char *name)
{
	char server[INET6_ADDRSTRLEN + 32];
	struct in6_addr a;
	struct in_addr v4;

	if (sscanf(connection, "%*s %*s %77s", server) != 1)
		return false;
	server[strcspn(server, "%")] = '\0'; /* fe80::1%eth0 */
	if (inet_pton(AF_INET, server, &v4) == 1)
		a = mapped(&v4);
	else if (inet_pton(AF_INET6, server, &a) != 1)
		return false;
	return has_address(name, &a);
}

static pid_t parent_of(pid_t pid)
{
	char path[PATH_MAX], line[512];
	const char *end;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d/stat", pci_roots()->proc, (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* "4711 (name) S 4710 ...", and the name may have anything in it. */
	if (fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) &&
	    sscanf(end, ") %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

static bool started_in_session(pid_t pid, const char *name)
{
	static const char key[] = "SSH_CONNECTION=";
	char path[PATH_MAX], *var = NULL;
	bool found = false;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d/environ", pci_roots()->proc, (int)pid);
	f = fopen(path, "re");
	while (f && !found && getdelim(&var, &n, '\0', f) > 0)
		found = !strncmp(var, key, sizeof(key) - 1) && is_session_of(var + sizeof(key) - 1, name);
	if (f)
		fclose(f);
	free(var);
	return found;
}

static bool has_own_session(const char *name)
{
	const char *env = getenv("SSH_CONNECTION");
	pid_t pid = getpid();

	if (env && is_session_of(env, name))
		return true;
	for (int i = 0; i < MAX_ANCESTORS && (pid = parent_of(pid)) > 1; i++)
		if (started_in_session(pid, name))
			return true;
	return false;
}

/* Lines of /proc/net/tcp and tcp6 (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c): the local address as words of
 * 32 bits read as numbers, its port, the remote ones, the state. */
static bool parse_connection(const char *line, struct in6_addr *local, unsigned int *port,
			     unsigned int *state)
{
	char hex[33];
	uint32_t w[4];
	int n;

	if (sscanf(line, " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", hex, port, state) != 3)
		return false;
	n = sscanf(hex, "%8x%8x%8x%8x", &w[0], &w[1], &w[2], &w[3]);
	if (n == 1)
		*local = mapped(w);
	else if (n == 4)
		memcpy(local, w, sizeof(*local));
	return n == 1 || n == 4;
}

static bool has_ssh_connection(const char *table, const char *name)
{
	char path[PATH_MAX], line[256];
	unsigned int port, state;
	struct in6_addr local;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/net/%s", pci_roots()->proc, table);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = parse_connection(line, &local, &port, &state) && port == SSH_PORT &&
			state == TCP_ESTABLISHED && has_address(name, &local);
	if (f)
		fclose(f);
	return found;
}

struct need {
	char *why;
	size_t n;
	bool found;
};

static bool look(void *arg, const char *name)
{
	struct need *need = arg;
	const char *what = NULL;

	if (pci_iface_route(name) == PCI_ROUTE_DEFAULT)
		what = "the default route";
	else if (has_own_session(name))
		what = "this ssh session";
	else if (has_ssh_connection("tcp", name) || has_ssh_connection("tcp6", name))
		what = "an ssh session";
	need->found = what;
	if (what)
		snprintf(need->why, need->n, "%s carries %s", name, what);
	return !what;
}

bool pci_needed(const char *bdf, char *why, size_t n)
{
	struct need need = {.why = why, .n = n};

	why[0] = '\0';
	pci_for_each_iface(bdf, look, &need);
	return need.found || pci_disk_needed(bdf, why, n);
}
