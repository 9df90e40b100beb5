/* The programs of speed.rs as somebody would write them in C: clang -O2 -g -target bpf -c speed.c */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name

enum { BPF_MAP_TYPE_PERCPU_HASH = 5, BPF_MAP_TYPE_PERCPU_ARRAY = 6, XDP_PASS = 2 };

static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct ethhdr {
	u8 dest[6], source[6];
	u16 proto;
} __attribute__((packed));

struct iphdr {
	u8 ihl : 4, version : 4, tos;
	u16 tot_len, id, frag_off;
	u8 ttl, protocol;
	u16 check;
	u32 saddr, daddr;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} sources SEC(".maps");

static __attribute__((always_inline)) void count(void)
{
	u32 key = 0;
	u64 *value = lookup(&total, &key);

	if (value)
		*value += 1;
}

static __attribute__((always_inline)) struct iphdr *ip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->proto != __builtin_bswap16(0x0800))
		return 0;
	return ip;
}

SEC("xdp") int nothing(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp") int count_all(struct xdp_md *ctx)
{
	count();
	return XDP_PASS;
}

SEC("xdp") int count_by_source(struct xdp_md *ctx)
{
	struct iphdr *header = ip(ctx);
	u64 *value, one = 1;
	u32 key;

	if (!header)
		return XDP_PASS;
	key = header->saddr;
	value = lookup(&sources, &key);
	if (value)
		*value += 1;
	else
		update(&sources, &key, &one, 0);
	return XDP_PASS;
}

SEC("xdp") int match_source(struct xdp_md *ctx)
{
	struct iphdr *header = ip(ctx);

	if (header && header->saddr == __builtin_bswap32(0x0a000009))
		count();
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
