/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vfio-user server for tests: a small PCI function behind a socketpair, on a thread of its own. It serves
 * well until a test's hook takes a message away from it, or changes the answer.
 */
#ifndef UNAPI_TESTS_FAKE_SERVER_H
#define UNAPI_TESTS_FAKE_SERVER_H

#include "vfio_check.h"

#include "core/vfio/user.h"

#include <linux/pci_regs.h>

#define FAKE_BAR_SIZE 0x4000u
#define FAKE_MSIX_CAP 0x70
#define FAKE_MSI_CAP  0x50
#define FAKE_VECTORS  10
#define FAKE_MAX_DMA  8
#define FAKE_MAX_MSG  8192

struct fake_msg {
	struct vfio_user_hdr hdr;
	_Alignas(8) uint8_t body[FAKE_MAX_MSG]; /* hdr.size - sizeof(hdr) bytes */
	int fds[VFIO_USER_MAX_FDS];
	unsigned int nr_fds;
};

struct fake_server {
	/* Set before fake_start() */
	const char *version; /* JSON of the version reply, NULL: an empty object */
	uint16_t major;
	uint32_t region_flags[9];
	uint64_t region_size[9];
	int bar0_fd;		 /* sent with BAR0's information; -1 none */
	uint8_t bar0_caps[2048]; /* sent behind BAR0's information */
	uint32_t bar0_caps_len;
	bool needs_firmware; /* BARs answer only with an address and decoding */
	uint32_t irq_count[5], irq_flags;
	/* True: the hook has dealt with the message. It may send by fake_send(), or fake_hang_up(). */
	bool (*hook)(struct fake_server *s, struct fake_msg *m);
	void *arg;

	/* What the server has seen. Read after fake_stop(), or under lock. */
	pthread_mutex_t lock;
	_Alignas(8) uint8_t config[256];
	uint32_t bar[FAKE_BAR_SIZE / 4];
	unsigned int count[32];	     /* messages, by command */
	unsigned int posted;	     /* region writes that wanted no answer */
	unsigned int most_fds;	     /* in one message */
	int irq_fd[5][FAKE_VECTORS]; /* as SET_IRQS left them */
	unsigned int resets;
	struct {
		uint64_t iova, size;
		void *va;
	} dma[FAKE_MAX_DMA]; /* size 0: free */

	int sock, client;
	bool hung_up;
	pthread_t thread;
};

/* A function with a 16 KiB BAR0 reached by messages, an I/O BAR2, a 64-bit BAR4, MSI-X, MSI and INTx. */
void fake_init(struct fake_server *s);
/* Start the thread; client is the library's end. */
void fake_start(struct fake_server *s);
/* Wait for the thread, which ends with its connection. */
void fake_stop(struct fake_server *s);

void fake_send(struct fake_server *s, const void *data, size_t len, const int *fds, unsigned int nr_fds);
/* Reply to @m with @len bytes at @data. */
void fake_reply(struct fake_server *s, const struct fake_msg *m, const void *data, size_t len);
void fake_reply_error(struct fake_server *s, const struct fake_msg *m, uint32_t error);
/* Close the connection: the server is dead. */
void fake_hang_up(struct fake_server *s);

#endif
