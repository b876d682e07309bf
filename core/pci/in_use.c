/* SPDX-License-Identifier: BSD-3-Clause */
/* What this host would lose with a NIC: its default route, or the ssh session its administrator sits in. */
#include "core/pci/describe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* True if @upper is @iface or stands upon it: a bridge or bond it is in, a VLAN on it. */
static bool stands_on(const char *upper, const char *iface, int depth)
{
	char path[PATH_MAX];
	struct dirent *e;
	bool found = false;
	DIR *d;

	if (!strcmp(upper, iface))
		return true;
	if (depth > 8)
		return false;
	snprintf(path, sizeof(path), "%s/class/net/%s", pci_roots()->sys, iface);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d)))
		if (!strncmp(e->d_name, "upper_", 6))
			found = stands_on(upper, e->d_name + 6, depth + 1);
	closedir(d);
	return found;
}

/* Does a default route leave through @iface? Kernel: net/ipv4/fib_trie.c and net/ipv6/route.c print these
 * files. */
static bool has_default_v4(const char *iface)
{
	char path[PATH_MAX], line[256], name[IFNAMSIZ];
	unsigned int dest, mask;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/net/route", pci_roots()->proc);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", name, &dest, &mask) == 3)
			found = !dest && !mask && stands_on(name, iface, 0);
	if (f)
		fclose(f);
	return found;
}

static bool has_default_v6(const char *iface)
{
	char path[PATH_MAX], line[256], dest[33], name[IFNAMSIZ];
	unsigned int len;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/net/ipv6_route", pci_roots()->proc);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %*x %15s", dest, &len, name) == 3)
			found = !len && strspn(dest, "0") == 32 && strcmp(name, "lo") &&
				stands_on(name, iface, 0);
	if (f)
		fclose(f);
	return found;
}

static bool same_address(const struct sockaddr *sa, const char *text)
{
	char buf[INET6_ADDRSTRLEN] = "";

	if (sa && sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, buf,
			  sizeof(buf));
	else if (sa && sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, buf,
			  sizeof(buf));
	return buf[0] && !strcmp(buf, text);
}

/* sshd tells its sessions: "client-address client-port server-address server-port". */
static bool has_ssh_session(const char *iface)
{
	const char *env = getenv("SSH_CONNECTION");
	char server[INET6_ADDRSTRLEN];
	struct ifaddrs *all = NULL;
	bool found = false;

	if (!env || sscanf(env, "%*s %*s %45s", server) != 1 || getifaddrs(&all))
		return false;
	for (struct ifaddrs *a = all; a && !found; a = a->ifa_next)
		found = same_address(a->ifa_addr, server) && stands_on(a->ifa_name, iface, 0);
	freeifaddrs(all);
	return found;
}

bool pci_in_use(const struct pci_function *f, char *why, size_t n)
{
	for (unsigned int i = 0; i < f->nr_ifaces; i++) {
		const char *what = NULL;

		if (has_default_v4(f->ifaces[i]) || has_default_v6(f->ifaces[i]))
			what = "the default route";
		else if (has_ssh_session(f->ifaces[i]))
			what = "this ssh session";
		if (what) {
			snprintf(why, n, "%s carries %s", f->ifaces[i], what);
			return true;
		}
	}
	return false;
}
