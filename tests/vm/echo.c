// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sends every frame that a network interface of the guest's kernel receives back out of it, unchanged. The
 * rig's own test runs it over the kernel's igb: what the rig loses without unapi, it cannot lay at unapi's
 * door.
 */
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int room = 16 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (argc != 2 || !(address.sll_ifindex = if_nametoindex(argv[1]))) {
		fprintf(stderr, "usage: %s INTERFACE\n", argv[0]);
		return 2;
	}
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror(argv[1]);
		return 1;
	}
	puts("echoing");
	fflush(stdout);
	for (;;) {
		static uint8_t frame[65536];
		struct sockaddr_ll from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len);

		if (n < 0 || from.sll_pkttype == PACKET_OUTGOING)
			continue;
		while (send(fd, frame, n, 0) < 0 && errno == ENOBUFS)
			usleep(100);
	}
}
