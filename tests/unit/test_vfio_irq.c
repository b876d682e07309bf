/* SPDX-License-Identifier: BSD-3-Clause */
/* Which interrupts a device gets: MSI-X, else MSI, else INTx; as many as there are; more of them later. */
#include "vfio_check.h"

#include "core/vfio/vfio.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A carrier that keeps what is bound, and runs out of vectors. */
struct fake {
	struct vfio_device v;
	int bound[3][16];      /* by index and vector, -1 none */
	unsigned int capacity; /* vectors that the system has */
	bool says_how_many;    /* a bind of too many answers with how many there are, as old kernels do */
	unsigned int binds, disables;
	int fail_index; /* binding this index fails; -1 none */
};

static struct fake *to_fake(struct vfio_device *v)
{
	return container_of(v, struct fake, v);
}

static int fake_set_irqs(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			 const int *fds)
{
	struct fake *f = to_fake(v);

	f->binds++;
	if ((int)index == f->fail_index)
		return unapi_fail(EIO, "fake refusal of index %u", index);
	if (start + count > f->capacity) {
		if (f->says_how_many && f->capacity)
			return (int)f->capacity;
		return unapi_fail(ENOSPC, "fake lack of vectors");
	}
	for (uint32_t i = 0; i < count; i++)
		f->bound[index][start + i] = fds[i];
	return 0;
}

static int fake_irq_action(struct vfio_device *v, uint32_t index, uint32_t start, uint32_t count,
			   uint32_t action)
{
	struct fake *f = to_fake(v);

	assert_int_equal(count, 0);
	f->disables++;
	memset(f->bound[index], 0xff, sizeof(f->bound[index]));
	return 0;
}

static const struct vfio_device_ops fake_ops = {.set_irqs = fake_set_irqs, .irq_action = fake_irq_action};

static void init(struct fake *f, uint32_t msix_flags)
{
	memset(f, 0, sizeof(*f));
	memset(f->bound, 0xff, sizeof(f->bound));
	f->v.ops = &fake_ops;
	strcpy(f->v.name, "fake:0");
	f->capacity = 16;
	f->fail_index = -1;
	f->v.irqs[VFIO_PCI_INTX_IRQ_INDEX] = (struct vfio_irq){1, VFIO_IRQ_INFO_EVENTFD};
	f->v.irqs[VFIO_PCI_MSI_IRQ_INDEX] = (struct vfio_irq){1, VFIO_IRQ_INFO_EVENTFD};
	f->v.irqs[VFIO_PCI_MSIX_IRQ_INDEX] = (struct vfio_irq){10, VFIO_IRQ_INFO_EVENTFD | msix_flags};
}

/* Vectors 0 to n - 1 are bound, each to its own eventfd, and no other. */
static void check_bound(struct fake *f, enum vfio_irq_mode mode, unsigned int n)
{
	static const uint32_t index[] = {[VFIO_IRQ_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
					 [VFIO_IRQ_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
					 [VFIO_IRQ_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX};

	assert_int_equal(f->v.irq_mode, mode);
	assert_int_equal(f->v.nr_vectors, n);
	for (unsigned int m = VFIO_IRQ_INTX; m <= VFIO_IRQ_MSIX; m++)
		for (unsigned int i = 0; i < 16; i++)
			assert_int_equal(f->bound[index[m]][i], m == mode && i < n ? f->v.vector_fds[i] : -1);
}

static unsigned int fds_before;

static int remember_fds(void **state)
{
	fds_before = count_fds();
	return 0;
}

static int same_fds(void **state)
{
	return count_fds() == fds_before ? 0 : -1;
}

static void test_one_by_one(void **state)
{
	struct fake f;
	int *where;

	init(&f, 0);
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 3), 3);
	check_bound(&f, VFIO_IRQ_MSIX, 3);
	assert_int_equal(f.binds, 3);
	where = f.v.vector_fds;
	/* Nothing is disabled, fired or moved by adding some. */
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 64), 10);
	check_bound(&f, VFIO_IRQ_MSIX, 10);
	assert_ptr_equal(f.v.vector_fds, where);
	assert_int_equal(f.disables, 0);
	for (unsigned int i = 0; i < 10; i++) {
		eventfd_t n;

		assert_int_equal(eventfd_read(f.v.vector_fds[i], &n), -1);
		assert_int_equal(errno, EAGAIN);
	}
	/* Fewer than there are is what there is. */
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 2), 10);
	vfio_irq_disable(&f.v);
	check_bound(&f, VFIO_IRQ_NONE, 0);
}

static void test_one_by_one_until_none_is_left(void **state)
{
	struct fake f;

	init(&f, 0);
	f.capacity = 4;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), 4);
	check_bound(&f, VFIO_IRQ_MSIX, 4);
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), 4);
	check_bound(&f, VFIO_IRQ_MSIX, 4);
	f.capacity = 6;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), 6);
	check_bound(&f, VFIO_IRQ_MSIX, 6);
	vfio_irq_disable(&f.v);
}

static void test_all_at_once(void **state)
{
	struct fake f;

	init(&f, VFIO_IRQ_INFO_NORESIZE);
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 3), 3);
	check_bound(&f, VFIO_IRQ_MSIX, 3);
	assert_int_equal(f.binds, 1);
	/* All anew: what fired meanwhile went nowhere, so the old ones are fired. */
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 5), 5);
	check_bound(&f, VFIO_IRQ_MSIX, 5);
	assert_int_equal(f.disables, 1);
	for (unsigned int i = 0; i < 5; i++) {
		eventfd_t n;

		assert_int_equal(eventfd_read(f.v.vector_fds[i], &n), i < 3 ? 0 : -1);
	}
	vfio_irq_disable(&f.v);
}

static void test_kernel_says_how_many(void **state)
{
	struct fake f;

	init(&f, VFIO_IRQ_INFO_NORESIZE);
	f.says_how_many = true;
	f.capacity = 4;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), 4);
	check_bound(&f, VFIO_IRQ_MSIX, 4);
	vfio_irq_disable(&f.v);
	/* None at all: then none of the others either, here. */
	f.capacity = 0;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), -ENOSPC);
	check_bound(&f, VFIO_IRQ_NONE, 0);
}

/* More cannot be had: what was there goes on. */
static void test_failed_growth(void **state)
{
	struct fake f;

	init(&f, VFIO_IRQ_INFO_NORESIZE);
	f.capacity = 3;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 3), 3);
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 8), 3);
	check_bound(&f, VFIO_IRQ_MSIX, 3);
	/* Not even that: an error, and nothing is said to be there that is not. */
	f.capacity = 2;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 8), -ENOSPC);
	assert_reason("fake:0", "adding MSI-X vectors 3 to 7");
	check_bound(&f, VFIO_IRQ_NONE, 0);
}

static void test_fallback(void **state)
{
	struct fake f;

	init(&f, 0);
	f.fail_index = VFIO_PCI_MSIX_IRQ_INDEX;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), 1);
	check_bound(&f, VFIO_IRQ_MSI, 1);
	/* One is all that MSI gives. */
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), 1);
	vfio_irq_disable(&f.v);
	f.v.irqs[VFIO_PCI_MSI_IRQ_INDEX].count = 0;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), 1);
	check_bound(&f, VFIO_IRQ_INTX, 1);
	vfio_irq_disable(&f.v);
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_INTX, 10), 1);
	vfio_irq_disable(&f.v);
	/* Without eventfds an interrupt is of no use. */
	f.v.irqs[VFIO_PCI_INTX_IRQ_INDEX].flags = 0;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), -EIO);
	assert_reason("fake:0", "10 MSI-X", "fake refusal of index 2");
	f.v.irqs[VFIO_PCI_MSIX_IRQ_INDEX].count = 0;
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 10), -ENOTSUP);
	assert_reason("no interrupts");
	assert_int_equal(vfio_irq_enable(&f.v, VFIO_IRQ_MSIX, 0), -EINVAL);
}

#define irq_test(f) cmocka_unit_test_setup_teardown(f, remember_fds, same_fds)

int main(void)
{
	const struct CMUnitTest tests[] = {
		irq_test(test_one_by_one),    irq_test(test_one_by_one_until_none_is_left),
		irq_test(test_all_at_once),   irq_test(test_kernel_says_how_many),
		irq_test(test_failed_growth), irq_test(test_fallback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
