/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/pci/disk.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define HOLDER_DEPTH 8

/* The node's name: "/dev/sda2" and "/dev/mapper/x" to the part after the last slash. */
static bool is_node(const char *source, const char *name)
{
	const char *last = strrchr(source, '/');

	return last && !strcmp(last + 1, name);
}

static bool read_number(const char *name, char *number, size_t n)
{
	char path[PATH_MAX];
	bool ok;
	FILE *f;

	snprintf(path, sizeof(path), "%s/class/block/%.255s/dev", pci_roots()->sys, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(number, (int)n, f);
	fclose(f);
	number[ok ? strcspn(number, "\n") : 0] = '\0';
	return number[0];
}

/* Lines of /proc/self/mountinfo (proc(5)): "36 35 98:0 /root /mount options [fields] - type source options".
 * btrfs has a number of its own there, but names its device. */
static bool mounted(const char *name)
{
	char path[PATH_MAX], line[4096], number[32] = "", of[32], source[256];
	bool known = read_number(name, number, sizeof(number)), found = false;
	const char *dash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/self/mountinfo", pci_roots()->proc);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (known && sscanf(line, "%*d %*d %31s", of) == 1 && !strcmp(of, number))
			found = true;
		dash = strstr(line, " - ");
		if (dash && sscanf(dash, " - %*s %255s", source) == 1 && is_node(source, name))
			found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static bool swapped_to(const char *name)
{
	char path[PATH_MAX], line[512], source[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/swaps", pci_roots()->proc);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%255s", source) == 1 && is_node(source, name);
	if (f)
		fclose(f);
	return found;
}

static bool needed(const char *name, int depth, char *why, size_t n)
{
	char path[PATH_MAX];
	struct dirent *e;
	bool found = true;
	DIR *d;

	if (mounted(name))
		snprintf(why, n, "%s is mounted", name);
	else if (swapped_to(name))
		snprintf(why, n, "%s is swapped to", name);
	else
		found = false;
	if (found || depth == HOLDER_DEPTH)
		return found;
	snprintf(path, sizeof(path), "%s/class/block/%.255s/holders", pci_roots()->sys, name);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d)))
		found = e->d_name[0] != '.' && needed(e->d_name, depth + 1, why, n);
	closedir(d);
	return found;
}

bool pci_disk_needed(const char *bdf, char *why, size_t n)
{
	char path[PATH_MAX], rel[NAME_MAX + 16], of[PCI_BDF_LEN];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s/class/block", pci_roots()->sys);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		snprintf(rel, sizeof(rel), "class/block/%s", e->d_name);
		found = e->d_name[0] != '.' && pci_function_above(rel, of) && !strcmp(of, bdf) &&
			needed(e->d_name, 0, why, n);
	}
	closedir(d);
	return found;
}
