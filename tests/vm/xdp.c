// SPDX-License-Identifier: BSD-3-Clause
/*
 * Has the guest's kernel send back whatever a network interface receives, from the receiving driver's poll
 * (XDP_TX), until it is killed. A peer for benchmarks: the least that the kernel's own driver forwards with.
 */
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int main(int argc, char **argv)
{
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_TX},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_XDP, .insn_cnt = 2}, link = {0};
	int fd;

	load.insns = (uintptr_t)program;
	load.license = (uintptr_t) "BSD";
	if (argc != 2 || !(link.link_create.target_ifindex = if_nametoindex(argv[1]))) {
		fprintf(stderr, "usage: %s INTERFACE\n", argv[0]);
		return 2;
	}
	fd = bpf(BPF_PROG_LOAD, &load);
	if (fd < 0) {
		perror("BPF_PROG_LOAD");
		return 1;
	}
	link.link_create.prog_fd = (uint32_t)fd;
	link.link_create.attach_type = BPF_XDP;
	if (bpf(BPF_LINK_CREATE, &link) < 0) {
		perror("BPF_LINK_CREATE");
		return 1;
	}
	puts("sending back");
	fflush(stdout);
	for (;;)
		pause();
}
