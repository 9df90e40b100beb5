//! Numbers that headers give names with `#define`, so that no BTF has them: what scripts compare with.
//!
//! Only what is the same on every kernel, and on every processor unless the table says otherwise. These names are always
//! there, unless something of the script or of the kernel has the same name.

/// The number of this name.
pub fn find(name: &str) -> Option<i64> {
    let rows = TABLE.iter().chain(OF_KERNEL).flat_map(|(_, rows)| rows.iter());
    rows.chain(OF_PROCESSOR).find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    let rows = TABLE.iter().chain(OF_KERNEL).flat_map(|(_, rows)| rows.iter());
    rows.chain(OF_PROCESSOR).map(|(name, _)| *name)
}

/// Whether there are numbers of this header.
pub fn has_header(name: &str) -> bool {
    TABLE.iter().any(|(header, _)| *header == name)
}

type Group = (&'static str, &'static [(&'static str, i64)]);

/// What is different on each processor, of `asm/fcntl.h`.
#[cfg(target_arch = "aarch64")]
const OF_PROCESSOR: &[(&str, i64)] = &[
    ("O_DIRECTORY", 0o40000),
    ("O_NOFOLLOW", 0o100000),
    ("O_DIRECT", 0o200000),
    ("O_LARGEFILE", 0o400000),
    ("O_TMPFILE", 0o20040000),
];

/// What is different on each processor, of `asm/fcntl.h`.
#[cfg(not(target_arch = "aarch64"))]
const OF_PROCESSOR: &[(&str, i64)] = &[
    ("O_DIRECT", 0o40000),
    ("O_LARGEFILE", 0o100000),
    ("O_DIRECTORY", 0o200000),
    ("O_NOFOLLOW", 0o400000),
    ("O_TMPFILE", 0o20200000),
];

/// By headers that only the kernel's own code includes.
#[rustfmt::skip]
const OF_KERNEL: &[Group] = &[
    ("linux/sched.h", &[
        ("TASK_RUNNING", 0), ("TASK_INTERRUPTIBLE", 1), ("TASK_UNINTERRUPTIBLE", 2), ("__TASK_STOPPED", 4),
        ("__TASK_TRACED", 8), ("TASK_COMM_LEN", 16),
    ]),
    ("linux/fs.h", &[
        ("FMODE_READ", 1), ("FMODE_WRITE", 2), ("FMODE_LSEEK", 4), ("FMODE_PREAD", 8), ("FMODE_PWRITE", 0x10),
        ("FMODE_EXEC", 0x20),
    ]),
    ("linux/blk_types.h", &[
        ("REQ_OP_READ", 0), ("REQ_OP_WRITE", 1), ("REQ_OP_FLUSH", 2), ("REQ_OP_DISCARD", 3),
        ("REQ_OP_SECURE_ERASE", 5), ("REQ_OP_WRITE_ZEROES", 9),
    ]),
    ("vdso/time64.h", &[
        ("MSEC_PER_SEC", 1000), ("USEC_PER_MSEC", 1000), ("NSEC_PER_USEC", 1000), ("NSEC_PER_MSEC", 1_000_000),
        ("USEC_PER_SEC", 1_000_000), ("NSEC_PER_SEC", 1_000_000_000),
    ]),
    ("net/tcp_states.h", &[
        ("TCP_NEW_SYN_RECV", 12), ("TCPF_ESTABLISHED", 1 << 1), ("TCPF_SYN_SENT", 1 << 2), ("TCPF_SYN_RECV", 1 << 3),
        ("TCPF_FIN_WAIT1", 1 << 4), ("TCPF_FIN_WAIT2", 1 << 5), ("TCPF_TIME_WAIT", 1 << 6), ("TCPF_CLOSE", 1 << 7),
        ("TCPF_CLOSE_WAIT", 1 << 8), ("TCPF_LAST_ACK", 1 << 9), ("TCPF_LISTEN", 1 << 10), ("TCPF_CLOSING", 1 << 11),
        ("TCPF_NEW_SYN_RECV", 1 << 12),
    ]),
    ("linux/sector.h", &[("SECTOR_SHIFT", 9), ("SECTOR_SIZE", 512)]),
];

/// By the headers of the system that have them; the test compares the values with these.
#[rustfmt::skip]
const TABLE: &[Group] = &[
    ("sys/socket.h", &[
        ("AF_UNSPEC", 0), ("AF_FILE", 1), ("AF_LOCAL", 1), ("AF_UNIX", 1), ("AF_INET", 2), ("AF_AX25", 3),
        ("AF_IPX", 4), ("AF_APPLETALK", 5), ("AF_NETROM", 6), ("AF_BRIDGE", 7), ("AF_ATMPVC", 8), ("AF_X25", 9),
        ("AF_INET6", 10), ("AF_ROSE", 11), ("AF_DECnet", 12), ("AF_NETBEUI", 13), ("AF_SECURITY", 14), ("AF_KEY", 15),
        ("AF_ROUTE", 16), ("AF_NETLINK", 16), ("AF_PACKET", 17), ("AF_ASH", 18), ("AF_ECONET", 19), ("AF_ATMSVC", 20),
        ("AF_RDS", 21), ("AF_SNA", 22), ("AF_IRDA", 23), ("AF_PPPOX", 24), ("AF_WANPIPE", 25), ("AF_LLC", 26),
        ("AF_IB", 27), ("AF_MPLS", 28), ("AF_CAN", 29), ("AF_TIPC", 30), ("AF_BLUETOOTH", 31), ("AF_IUCV", 32),
        ("AF_RXRPC", 33), ("AF_ISDN", 34), ("AF_PHONET", 35), ("AF_IEEE802154", 36), ("AF_CAIF", 37), ("AF_ALG", 38),
        ("AF_NFC", 39), ("AF_VSOCK", 40), ("AF_KCM", 41), ("AF_QIPCRTR", 42), ("AF_SMC", 43), ("AF_XDP", 44),
        ("AF_MCTP", 45), ("PF_UNSPEC", 0), ("PF_UNIX", 1), ("PF_FILE", 1), ("PF_LOCAL", 1), ("PF_INET", 2),
        ("PF_AX25", 3), ("PF_IPX", 4), ("PF_APPLETALK", 5), ("PF_NETROM", 6), ("PF_BRIDGE", 7), ("PF_ATMPVC", 8),
        ("PF_X25", 9), ("PF_INET6", 10), ("PF_ROSE", 11), ("PF_DECnet", 12), ("PF_NETBEUI", 13), ("PF_SECURITY", 14),
        ("PF_KEY", 15), ("PF_NETLINK", 16), ("PF_ROUTE", 16), ("PF_PACKET", 17), ("PF_ASH", 18), ("PF_ECONET", 19),
        ("PF_ATMSVC", 20), ("PF_RDS", 21), ("PF_SNA", 22), ("PF_IRDA", 23), ("PF_PPPOX", 24), ("PF_WANPIPE", 25),
        ("PF_LLC", 26), ("PF_IB", 27), ("PF_MPLS", 28), ("PF_CAN", 29), ("PF_TIPC", 30), ("PF_BLUETOOTH", 31),
        ("PF_IUCV", 32), ("PF_RXRPC", 33), ("PF_ISDN", 34), ("PF_PHONET", 35), ("PF_IEEE802154", 36), ("PF_CAIF", 37),
        ("PF_ALG", 38), ("PF_NFC", 39), ("PF_VSOCK", 40), ("PF_KCM", 41), ("PF_QIPCRTR", 42), ("PF_SMC", 43),
        ("PF_XDP", 44), ("PF_MCTP", 45), ("SOCK_STREAM", 1), ("SOCK_DGRAM", 2), ("SOCK_RAW", 3), ("SOCK_RDM", 4),
        ("SOCK_SEQPACKET", 5), ("SOCK_DCCP", 6), ("SOCK_PACKET", 10), ("SOCK_NONBLOCK", 0x800),
        ("SOCK_CLOEXEC", 0x80000), ("SOL_SOCKET", 1), ("SOL_RAW", 255), ("SOL_DECNET", 261), ("SOL_X25", 262),
        ("SOL_PACKET", 263), ("SOL_ATM", 264), ("SOL_AAL", 265), ("SOL_IRDA", 266), ("SOL_NETBEUI", 267),
        ("SOL_LLC", 268), ("SOL_DCCP", 269), ("SOL_NETLINK", 270), ("SOL_TIPC", 271), ("SOL_RXRPC", 272),
        ("SOL_PPPOL2TP", 273), ("SOL_BLUETOOTH", 274), ("SOL_PNPIPE", 275), ("SOL_RDS", 276), ("SOL_IUCV", 277),
        ("SOL_CAIF", 278), ("SOL_ALG", 279), ("SOL_NFC", 280), ("SOL_KCM", 281), ("SOL_TLS", 282), ("SOL_XDP", 283),
        ("SOL_MPTCP", 284), ("SOL_MCTP", 285), ("SOL_SMC", 286), ("SO_DEBUG", 1), ("SO_REUSEADDR", 2), ("SO_TYPE", 3),
        ("SO_ERROR", 4), ("SO_DONTROUTE", 5), ("SO_BROADCAST", 6), ("SO_SNDBUF", 7), ("SO_RCVBUF", 8),
        ("SO_KEEPALIVE", 9), ("SO_OOBINLINE", 10), ("SO_NO_CHECK", 11), ("SO_PRIORITY", 12), ("SO_LINGER", 13),
        ("SO_BSDCOMPAT", 14), ("SO_REUSEPORT", 15), ("SO_PASSCRED", 16), ("SO_PEERCRED", 17), ("SO_RCVLOWAT", 18),
        ("SO_SNDLOWAT", 19), ("SO_RCVTIMEO_OLD", 20), ("SO_RCVTIMEO", 20), ("SO_SNDTIMEO", 21), ("SO_SNDTIMEO_OLD", 21),
        ("SO_SECURITY_AUTHENTICATION", 22), ("SO_SECURITY_ENCRYPTION_TRANSPORT", 23),
        ("SO_SECURITY_ENCRYPTION_NETWORK", 24), ("SO_BINDTODEVICE", 25), ("SO_ATTACH_FILTER", 26),
        ("SO_GET_FILTER", 26), ("SO_DETACH_FILTER", 27), ("SO_DETACH_BPF", 27), ("SO_PEERNAME", 28),
        ("SO_TIMESTAMP_OLD", 29), ("SO_TIMESTAMP", 29), ("SO_ACCEPTCONN", 30), ("SO_PEERSEC", 31),
        ("SO_SNDBUFFORCE", 32), ("SO_RCVBUFFORCE", 33), ("SO_PASSSEC", 34), ("SO_TIMESTAMPNS_OLD", 35),
        ("SO_TIMESTAMPNS", 35), ("SO_MARK", 36), ("SO_TIMESTAMPING_OLD", 37), ("SO_TIMESTAMPING", 37),
        ("SO_PROTOCOL", 38), ("SO_DOMAIN", 39), ("SO_RXQ_OVFL", 40), ("SO_WIFI_STATUS", 41), ("SO_PEEK_OFF", 42),
        ("SO_NOFCS", 43), ("SO_LOCK_FILTER", 44), ("SO_SELECT_ERR_QUEUE", 45), ("SO_BUSY_POLL", 46),
        ("SO_MAX_PACING_RATE", 47), ("SO_BPF_EXTENSIONS", 48), ("SO_INCOMING_CPU", 49), ("SO_ATTACH_BPF", 50),
        ("SO_ATTACH_REUSEPORT_CBPF", 51), ("SO_ATTACH_REUSEPORT_EBPF", 52), ("SO_CNX_ADVICE", 53), ("SO_MEMINFO", 55),
        ("SO_INCOMING_NAPI_ID", 56), ("SO_COOKIE", 57), ("SO_PEERGROUPS", 59), ("SO_ZEROCOPY", 60), ("SO_TXTIME", 61),
        ("SO_BINDTOIFINDEX", 62), ("SO_TIMESTAMP_NEW", 63), ("SO_TIMESTAMPNS_NEW", 64), ("SO_TIMESTAMPING_NEW", 65),
        ("SO_RCVTIMEO_NEW", 66), ("SO_SNDTIMEO_NEW", 67), ("SO_DETACH_REUSEPORT_BPF", 68), ("SO_PREFER_BUSY_POLL", 69),
        ("SO_BUSY_POLL_BUDGET", 70), ("SO_NETNS_COOKIE", 71), ("SO_BUF_LOCK", 72), ("SO_RESERVE_MEM", 73),
        ("SO_TXREHASH", 74), ("SO_RCVMARK", 75), ("MSG_OOB", 1), ("MSG_PEEK", 2), ("MSG_DONTROUTE", 4),
        ("MSG_CTRUNC", 8), ("MSG_PROXY", 0x10), ("MSG_TRUNC", 0x20), ("MSG_DONTWAIT", 0x40), ("MSG_EOR", 0x80),
        ("MSG_WAITALL", 0x100), ("MSG_FIN", 0x200), ("MSG_SYN", 0x400), ("MSG_CONFIRM", 0x800), ("MSG_RST", 0x1000),
        ("MSG_ERRQUEUE", 0x2000), ("MSG_NOSIGNAL", 0x4000), ("MSG_MORE", 0x8000), ("MSG_WAITFORONE", 0x10000),
        ("MSG_BATCH", 0x40000), ("MSG_ZEROCOPY", 0x4000000), ("MSG_FASTOPEN", 0x20000000),
        ("MSG_CMSG_CLOEXEC", 0x40000000), ("SHUT_RD", 0), ("SHUT_WR", 1), ("SHUT_RDWR", 2),
    ]),
    ("linux/in.h", &[
        ("INADDR_ANY", 0), ("INADDR_LOOPBACK", 2130706433), ("INADDR_DUMMY", 3221225480),
        ("INADDR_UNSPEC_GROUP", 3758096384), ("INADDR_ALLHOSTS_GROUP", 3758096385),
        ("INADDR_ALLRTRS_GROUP", 3758096386), ("INADDR_ALLSNOOPERS_GROUP", 3758096490),
        ("INADDR_MAX_LOCAL_GROUP", 3758096639), ("INADDR_NONE", 4294967295), ("INADDR_BROADCAST", 4294967295),
        ("IP_TOS", 1), ("IP_TTL", 2), ("IPPROTO_IP", 0), ("IPPROTO_ICMP", 1), ("IPPROTO_IGMP", 2), ("IPPROTO_IPIP", 4),
        ("IPPROTO_TCP", 6), ("IPPROTO_EGP", 8), ("IPPROTO_PUP", 12), ("IPPROTO_UDP", 17), ("IPPROTO_IDP", 22),
        ("IPPROTO_TP", 29), ("IPPROTO_DCCP", 33), ("IPPROTO_IPV6", 41), ("IPPROTO_RSVP", 46), ("IPPROTO_GRE", 47),
        ("IPPROTO_ESP", 50), ("IPPROTO_AH", 51), ("IPPROTO_MTP", 92), ("IPPROTO_BEETPH", 94), ("IPPROTO_ENCAP", 98),
        ("IPPROTO_PIM", 103), ("IPPROTO_COMP", 108), ("IPPROTO_L2TP", 115), ("IPPROTO_SCTP", 132),
        ("IPPROTO_UDPLITE", 136), ("IPPROTO_MPLS", 137), ("IPPROTO_ETHERNET", 143), ("IPPROTO_RAW", 255),
        ("IPPROTO_MPTCP", 262),
    ]),
    ("netinet/tcp.h", &[
        ("TCP_SYNCNT", 7), ("TCP_NODELAY", 1), ("TCP_ESTABLISHED", 1), ("TCP_SYN_SENT", 2), ("TCP_SYN_RECV", 3),
        ("TCP_FIN_WAIT1", 4), ("TCP_FIN_WAIT2", 5), ("TCP_TIME_WAIT", 6), ("TCP_CLOSE", 7), ("TCP_CLOSE_WAIT", 8),
        ("TCP_LAST_ACK", 9), ("TCP_LISTEN", 10),
    ]),
    ("asm/errno.h", &[
        ("EPERM", 1), ("ENOENT", 2), ("ESRCH", 3), ("EINTR", 4), ("EIO", 5), ("ENXIO", 6), ("E2BIG", 7), ("ENOEXEC", 8),
        ("EBADF", 9), ("ECHILD", 10), ("EWOULDBLOCK", 11), ("EAGAIN", 11), ("ENOMEM", 12), ("EACCES", 13),
        ("EFAULT", 14), ("ENOTBLK", 15), ("EBUSY", 16), ("EEXIST", 17), ("EXDEV", 18), ("ENODEV", 19), ("ENOTDIR", 20),
        ("EISDIR", 21), ("EINVAL", 22), ("ENFILE", 23), ("EMFILE", 24), ("ENOTTY", 25), ("ETXTBSY", 26), ("EFBIG", 27),
        ("ENOSPC", 28), ("ESPIPE", 29), ("EROFS", 30), ("EMLINK", 31), ("EPIPE", 32), ("EDOM", 33), ("ERANGE", 34),
        ("EDEADLK", 35), ("EDEADLOCK", 35), ("ENAMETOOLONG", 36), ("ENOLCK", 37), ("ENOSYS", 38), ("ENOTEMPTY", 39),
        ("ELOOP", 40), ("ENOMSG", 42), ("EIDRM", 43), ("ECHRNG", 44), ("EL2NSYNC", 45), ("EL3HLT", 46), ("EL3RST", 47),
        ("ELNRNG", 48), ("EUNATCH", 49), ("ENOCSI", 50), ("EL2HLT", 51), ("EBADE", 52), ("EBADR", 53), ("EXFULL", 54),
        ("ENOANO", 55), ("EBADRQC", 56), ("EBADSLT", 57), ("EBFONT", 59), ("ENOSTR", 60), ("ENODATA", 61),
        ("ETIME", 62), ("ENOSR", 63), ("ENONET", 64), ("ENOPKG", 65), ("EREMOTE", 66), ("ENOLINK", 67), ("EADV", 68),
        ("ESRMNT", 69), ("ECOMM", 70), ("EPROTO", 71), ("EMULTIHOP", 72), ("EDOTDOT", 73), ("EBADMSG", 74),
        ("EOVERFLOW", 75), ("ENOTUNIQ", 76), ("EBADFD", 77), ("EREMCHG", 78), ("ELIBACC", 79), ("ELIBBAD", 80),
        ("ELIBSCN", 81), ("ELIBMAX", 82), ("ELIBEXEC", 83), ("EILSEQ", 84), ("ERESTART", 85), ("ESTRPIPE", 86),
        ("EUSERS", 87), ("ENOTSOCK", 88), ("EDESTADDRREQ", 89), ("EMSGSIZE", 90), ("EPROTOTYPE", 91),
        ("ENOPROTOOPT", 92), ("EPROTONOSUPPORT", 93), ("ESOCKTNOSUPPORT", 94), ("EOPNOTSUPP", 95), ("EPFNOSUPPORT", 96),
        ("EAFNOSUPPORT", 97), ("EADDRINUSE", 98), ("EADDRNOTAVAIL", 99), ("ENETDOWN", 100), ("ENETUNREACH", 101),
        ("ENETRESET", 102), ("ECONNABORTED", 103), ("ECONNRESET", 104), ("ENOBUFS", 105), ("EISCONN", 106),
        ("ENOTCONN", 107), ("ESHUTDOWN", 108), ("ETOOMANYREFS", 109), ("ETIMEDOUT", 110), ("ECONNREFUSED", 111),
        ("EHOSTDOWN", 112), ("EHOSTUNREACH", 113), ("EALREADY", 114), ("EINPROGRESS", 115), ("ESTALE", 116),
        ("EUCLEAN", 117), ("ENOTNAM", 118), ("ENAVAIL", 119), ("EISNAM", 120), ("EREMOTEIO", 121), ("EDQUOT", 122),
        ("ENOMEDIUM", 123), ("EMEDIUMTYPE", 124), ("ECANCELED", 125), ("ENOKEY", 126), ("EKEYEXPIRED", 127),
        ("EKEYREVOKED", 128), ("EKEYREJECTED", 129), ("EOWNERDEAD", 130), ("ENOTRECOVERABLE", 131), ("ERFKILL", 132),
        ("EHWPOISON", 133),
    ]),
    ("asm/signal.h", &[
        ("SIG_ERR", -1), ("SIG_BLOCK", 0), ("SIG_DFL", 0), ("SIGHUP", 1), ("SIG_UNBLOCK", 1), ("SIG_IGN", 1),
        ("SIGINT", 2), ("SIG_SETMASK", 2), ("SIGQUIT", 3), ("SIGILL", 4), ("SIGTRAP", 5), ("SIGABRT", 6), ("SIGIOT", 6),
        ("SIGBUS", 7), ("SIGFPE", 8), ("SIGKILL", 9), ("SIGUSR1", 10), ("SIGSEGV", 11), ("SIGUSR2", 12),
        ("SIGPIPE", 13), ("SIGALRM", 14), ("SIGTERM", 15), ("SIGSTKFLT", 16), ("SIGCHLD", 17), ("SIGCONT", 18),
        ("SIGSTOP", 19), ("SIGTSTP", 20), ("SIGTTIN", 21), ("SIGTTOU", 22), ("SIGURG", 23), ("SIGXCPU", 24),
        ("SIGXFSZ", 25), ("SIGVTALRM", 26), ("SIGPROF", 27), ("SIGWINCH", 28), ("SIGIO", 29), ("SIGPOLL", 29),
        ("SIGPWR", 30), ("SIGSYS", 31), ("SIGUNUSED", 31), ("SIGRTMIN", 32), ("SA_NOCLDSTOP", 1), ("SA_NOCLDWAIT", 2),
        ("SA_SIGINFO", 4), ("SA_UNSUPPORTED", 0x400), ("SA_EXPOSE_TAGBITS", 0x800), ("SA_RESTORER", 0x4000000),
        ("SA_ONSTACK", 0x8000000), ("SA_RESTART", 0x10000000), ("SA_NOMASK", 0x40000000), ("SA_NODEFER", 0x40000000),
        ("SA_RESETHAND", 0x80000000), ("SA_ONESHOT", 0x80000000),
    ]),
    ("asm/fcntl.h", &[
        ("F_RDLCK", 0), ("F_DUPFD", 0), ("F_OWNER_TID", 0), ("F_OWNER_PID", 1), ("F_GETFD", 1), ("F_WRLCK", 1),
        ("F_OWNER_PGRP", 2), ("F_UNLCK", 2), ("F_SETFD", 2), ("F_GETFL", 3), ("F_SETFL", 4), ("F_EXLCK", 4),
        ("F_GETLK", 5), ("F_SETLK", 6), ("F_SETLKW", 7), ("F_SHLCK", 8), ("F_SETOWN", 8), ("F_GETOWN", 9),
        ("F_SETSIG", 0xa), ("F_GETSIG", 0xb), ("F_SETOWN_EX", 0xf), ("F_GETOWN_EX", 0x10), ("F_GETOWNER_UIDS", 0x11),
        ("F_OFD_GETLK", 0x24), ("F_OFD_SETLK", 0x25), ("F_OFD_SETLKW", 0x26), ("F_LINUX_SPECIFIC_BASE", 0x400),
        ("FD_CLOEXEC", 1), ("O_RDONLY", 0), ("O_WRONLY", 1), ("O_RDWR", 2), ("O_ACCMODE", 3), ("O_CREAT", 0x40),
        ("O_EXCL", 0x80), ("O_NOCTTY", 0x100), ("O_TRUNC", 0x200), ("O_APPEND", 0x400), ("O_NDELAY", 0x800),
        ("O_NONBLOCK", 0x800), ("O_DSYNC", 0x1000), ("O_NOATIME", 0x40000), ("O_CLOEXEC", 0x80000),
        ("O_SYNC", 0x101000), ("O_PATH", 0x200000),
    ]),
    ("linux/fcntl.h", &[
        ("AT_STATX_SYNC_AS_STAT", 0), ("AT_SYMLINK_NOFOLLOW", 0x100), ("AT_RECURSIVE", 0x8000),
        ("AT_SYMLINK_FOLLOW", 0x400), ("AT_FDCWD", -100), ("AT_NO_AUTOMOUNT", 0x800), ("AT_STATX_FORCE_SYNC", 0x2000),
        ("AT_STATX_DONT_SYNC", 0x4000), ("AT_REMOVEDIR", 0x200), ("AT_STATX_SYNC_TYPE", 0x6000), ("AT_EACCESS", 0x200),
        ("AT_EMPTY_PATH", 0x1000),
    ]),
    ("sys/stat.h", &[
        ("S_IXOTH", 0o1), ("S_IWOTH", 0o2), ("S_IROTH", 0o4), ("S_IRWXO", 0o7), ("S_IXGRP", 0o10), ("S_IWGRP", 0o20),
        ("S_IRGRP", 0o40), ("S_IRWXG", 0o70), ("S_IEXEC", 0o100), ("S_IXUSR", 0o100), ("S_IWUSR", 0o200),
        ("S_IWRITE", 0o200), ("S_IRUSR", 0o400), ("S_IREAD", 0o400), ("S_IRWXU", 0o700), ("S_ISVTX", 0o1000),
        ("S_ISGID", 0o2000), ("S_ISUID", 0o4000), ("S_IFIFO", 0o10000), ("S_IFCHR", 0o20000), ("S_IFDIR", 0o40000),
        ("S_IFBLK", 0o60000), ("S_IFREG", 0o100000), ("S_IFLNK", 0o120000), ("S_IFSOCK", 0o140000),
        ("S_IFMT", 0o170000),
    ]),
    ("linux/stat.h", &[
        ("STATX_TYPE", 1), ("STATX_MODE", 2), ("STATX_NLINK", 4), ("STATX_ATTR_COMPRESSED", 4), ("STATX_UID", 8),
        ("STATX_GID", 0x10), ("STATX_ATTR_IMMUTABLE", 0x10), ("STATX_ATTR_APPEND", 0x20), ("STATX_ATIME", 0x20),
        ("STATX_MTIME", 0x40), ("STATX_ATTR_NODUMP", 0x40), ("STATX_CTIME", 0x80), ("STATX_INO", 0x100),
        ("STATX_SIZE", 0x200), ("STATX_BLOCKS", 0x400), ("STATX_BASIC_STATS", 0x7ff), ("STATX_BTIME", 0x800),
        ("STATX_ATTR_ENCRYPTED", 0x800), ("STATX_ALL", 0xfff), ("STATX_ATTR_AUTOMOUNT", 0x1000),
        ("STATX_MNT_ID", 0x1000), ("STATX_DIOALIGN", 0x2000), ("STATX_ATTR_MOUNT_ROOT", 0x2000),
        ("STATX_ATTR_VERITY", 0x100000), ("STATX_ATTR_DAX", 0x200000),
    ]),
    ("linux/mman.h", &[
        ("MADV_NORMAL", 0), ("MADV_RANDOM", 1), ("MADV_SEQUENTIAL", 2), ("MADV_WILLNEED", 3), ("MADV_DONTNEED", 4),
        ("MADV_FREE", 8), ("MADV_REMOVE", 9), ("MADV_DONTFORK", 0xa), ("MADV_DOFORK", 0xb), ("MADV_MERGEABLE", 0xc),
        ("MADV_UNMERGEABLE", 0xd), ("MADV_HUGEPAGE", 0xe), ("MADV_NOHUGEPAGE", 0xf), ("MADV_DONTDUMP", 0x10),
        ("MADV_DODUMP", 0x11), ("MADV_WIPEONFORK", 0x12), ("MADV_KEEPONFORK", 0x13), ("MADV_COLD", 0x14),
        ("MADV_PAGEOUT", 0x15), ("MADV_POPULATE_READ", 0x16), ("MADV_POPULATE_WRITE", 0x17),
        ("MADV_DONTNEED_LOCKED", 0x18), ("MADV_COLLAPSE", 0x19), ("MADV_HWPOISON", 0x64), ("MADV_SOFT_OFFLINE", 0x65),
        ("MAP_FILE", 0), ("MAP_SHARED", 1), ("MAP_PRIVATE", 2), ("MAP_SHARED_VALIDATE", 3), ("MAP_TYPE", 0xf),
        ("MAP_FIXED", 0x10), ("MAP_HUGE_SHIFT", 0x1a), ("MAP_ANONYMOUS", 0x20), ("MAP_HUGE_MASK", 0x3f),
        ("MAP_GROWSDOWN", 0x100), ("MAP_DENYWRITE", 0x800), ("MAP_EXECUTABLE", 0x1000), ("MAP_LOCKED", 0x2000),
        ("MAP_NORESERVE", 0x4000), ("MAP_POPULATE", 0x8000), ("MAP_NONBLOCK", 0x10000), ("MAP_STACK", 0x20000),
        ("MAP_HUGETLB", 0x40000), ("MAP_SYNC", 0x80000), ("MAP_FIXED_NOREPLACE", 0x100000),
        ("MAP_UNINITIALIZED", 0x4000000), ("MAP_HUGE_16KB", 0x38000000), ("MAP_HUGE_64KB", 0x40000000),
        ("MAP_HUGE_512KB", 0x4c000000), ("MAP_HUGE_1MB", 0x50000000), ("MAP_HUGE_2MB", 0x54000000),
        ("MAP_HUGE_8MB", 0x5c000000), ("MAP_HUGE_16MB", 0x60000000), ("MAP_HUGE_32MB", 0x64000000),
        ("MAP_HUGE_256MB", 0x70000000), ("MAP_HUGE_512MB", 0x74000000), ("MAP_HUGE_1GB", 0x78000000),
        ("MAP_HUGE_2GB", 0x7c000000), ("MAP_HUGE_16GB", 0x88000000), ("MCL_CURRENT", 1), ("MCL_FUTURE", 2),
        ("MCL_ONFAULT", 4), ("MREMAP_MAYMOVE", 1), ("MREMAP_FIXED", 2), ("MREMAP_DONTUNMAP", 4), ("MS_ASYNC", 1),
        ("MS_INVALIDATE", 2), ("MS_SYNC", 4), ("PROT_NONE", 0), ("PROT_READ", 1), ("PROT_WRITE", 2), ("PROT_EXEC", 4),
        ("PROT_SEM", 8), ("PROT_GROWSDOWN", 0x1000000), ("PROT_GROWSUP", 0x2000000),
    ]),
    ("dirent.h", &[
        ("DT_UNKNOWN", 0), ("DT_FIFO", 1), ("DT_CHR", 2), ("DT_DIR", 4), ("DT_BLK", 6), ("DT_REG", 8), ("DT_LNK", 10),
        ("DT_SOCK", 12), ("DT_WHT", 14),
    ]),
    ("linux/icmp.h", &[
        ("ICMP_ECHOREPLY", 0), ("ICMP_EXC_TTL", 0), ("ICMP_NET_UNREACH", 0), ("ICMP_REDIR_NET", 0), ("ICMP_AFI_IP", 1),
        ("ICMP_EXT_ECHOREPLY_IPV6", 1), ("ICMP_HOST_UNREACH", 1), ("ICMP_EXC_FRAGTIME", 1),
        ("ICMP_EXT_ECHO_CTYPE_NAME", 1), ("ICMP_REDIR_HOST", 1), ("ICMP_EXT_CODE_MAL_QUERY", 1), ("ICMP_FILTER", 1),
        ("ICMP_EXT_ECHO_CTYPE_INDEX", 2), ("ICMP_EXT_ECHOREPLY_IPV4", 2), ("ICMP_AFI_IP6", 2), ("ICMP_PROT_UNREACH", 2),
        ("ICMP_EXT_CODE_NO_IF", 2), ("ICMP_REDIR_NETTOS", 2), ("ICMP_DEST_UNREACH", 3), ("ICMP_REDIR_HOSTTOS", 3),
        ("ICMP_EXT_ECHO_CTYPE_ADDR", 3), ("ICMP_EXT_CODE_NO_TABLE_ENT", 3), ("ICMP_PORT_UNREACH", 3),
        ("ICMP_FRAG_NEEDED", 4), ("ICMP_EXT_CODE_MULT_IFS", 4), ("ICMP_SOURCE_QUENCH", 4),
        ("ICMP_EXT_ECHOREPLY_ACTIVE", 4), ("ICMP_SR_FAILED", 5), ("ICMP_REDIRECT", 5), ("ICMP_NET_UNKNOWN", 6),
        ("ICMP_HOST_UNKNOWN", 7), ("ICMP_ECHO", 8), ("ICMP_HOST_ISOLATED", 8), ("ICMP_NET_ANO", 9),
        ("ICMP_HOST_ANO", 10), ("ICMP_TIME_EXCEEDED", 11), ("ICMP_NET_UNR_TOS", 11), ("ICMP_HOST_UNR_TOS", 12),
        ("ICMP_PARAMETERPROB", 12), ("ICMP_TIMESTAMP", 13), ("ICMP_PKT_FILTERED", 13), ("ICMP_PREC_VIOLATION", 14),
        ("ICMP_TIMESTAMPREPLY", 14), ("ICMP_PREC_CUTOFF", 15), ("ICMP_INFO_REQUEST", 15), ("ICMP_INFO_REPLY", 16),
        ("ICMP_ADDRESS", 17), ("ICMP_ADDRESSREPLY", 18), ("ICMP_EXT_ECHO", 42), ("ICMP_EXT_ECHOREPLY", 43),
    ]),
    ("linux/icmpv6.h", &[
        ("ICMPV6_NOROUTE", 0), ("ICMPV6_ROUTER_PREF_MEDIUM", 0), ("ICMPV6_HDR_FIELD", 0), ("ICMPV6_EXC_HOPLIMIT", 0),
        ("ICMPV6_UNK_NEXTHDR", 1), ("ICMPV6_EXC_FRAGTIME", 1), ("ICMPV6_ADM_PROHIBITED", 1), ("ICMPV6_FILTER_BLOCK", 1),
        ("ICMPV6_DEST_UNREACH", 1), ("ICMPV6_ROUTER_PREF_HIGH", 1), ("ICMPV6_FILTER", 1), ("ICMPV6_FILTER_PASS", 2),
        ("ICMPV6_UNK_OPTION", 2), ("ICMPV6_ROUTER_PREF_INVALID", 2), ("ICMPV6_NOT_NEIGHBOUR", 2),
        ("ICMPV6_PKT_TOOBIG", 2), ("ICMPV6_TIME_EXCEED", 3), ("ICMPV6_ROUTER_PREF_LOW", 3), ("ICMPV6_HDR_INCOMP", 3),
        ("ICMPV6_ADDR_UNREACH", 3), ("ICMPV6_FILTER_BLOCKOTHERS", 3), ("ICMPV6_PARAMPROB", 4),
        ("ICMPV6_FILTER_PASSONLY", 4), ("ICMPV6_PORT_UNREACH", 4), ("ICMPV6_POLICY_FAIL", 5),
        ("ICMPV6_REJECT_ROUTE", 6), ("ICMPV6_ERRMSG_MAX", 127), ("ICMPV6_INFOMSG_MASK", 128),
        ("ICMPV6_ECHO_REQUEST", 128), ("ICMPV6_ECHO_REPLY", 129), ("ICMPV6_MGM_QUERY", 130), ("ICMPV6_MGM_REPORT", 131),
        ("ICMPV6_MGM_REDUCTION", 132), ("ICMPV6_NI_QUERY", 139), ("ICMPV6_NI_REPLY", 140), ("ICMPV6_MLD2_REPORT", 143),
        ("ICMPV6_DHAAD_REQUEST", 144), ("ICMPV6_DHAAD_REPLY", 145), ("ICMPV6_MOBILE_PREFIX_SOL", 146),
        ("ICMPV6_MOBILE_PREFIX_ADV", 147), ("ICMPV6_MRDISC_ADV", 151), ("ICMPV6_EXT_ECHO_REQUEST", 160),
        ("ICMPV6_EXT_ECHO_REPLY", 161), ("ICMPV6_MSG_MAX", 255),
    ]),
    ("linux/if_ether.h", &[
        ("ETH_MAX_MTU", 0xffff), ("ETH_HLEN", 0xe), ("ETH_P_PPP_DISC", 0x8863), ("ETH_P_IP", 0x800),
        ("ETH_P_8021AD", 0x88a8), ("ETH_P_ERSPAN", 0x88be), ("ETH_P_ALL", 3), ("ETH_P_MPLS_UC", 0x8847),
        ("ETH_P_PAE", 0x888e), ("ETH_TLEN", 2), ("ETH_P_8021Q", 0x8100), ("ETH_P_TEB", 0x6558), ("ETH_P_LOOP", 0x60),
        ("ETH_P_PPP_SES", 0x8864), ("ETH_ZLEN", 0x3c), ("ETH_MIN_MTU", 0x44), ("ETH_ALEN", 6), ("ETH_P_802_3", 1),
        ("ETH_P_LLDP", 0x88cc), ("ETH_DATA_LEN", 0x5dc), ("ETH_P_SNAP", 5), ("ETH_P_IPV6", 0x86dd), ("ETH_P_802_2", 4),
        ("ETH_P_ARP", 0x806), ("ETH_P_RARP", 0x8035), ("ETH_FRAME_LEN", 0x5ea), ("ETH_FCS_LEN", 4),
    ]),
    ("linux/if_arp.h", &[
        ("ARPOP_InREPLY", 9), ("ARPHRD_ETHER", 1), ("ARPOP_REQUEST", 1), ("ARPOP_InREQUEST", 8), ("ARPOP_NAK", 10),
        ("ARPOP_REPLY", 2), ("ARPOP_RREPLY", 4), ("ARPOP_RREQUEST", 3), ("ARPHRD_LOOPBACK", 772),
    ]),
    ("linux/if.h", &[
        ("IFNAMSIZ", 16),
    ]),
    ("linux/sched.h", &[
        ("CLONE_ARGS_SIZE_VER0", 0x40), ("CLONE_ARGS_SIZE_VER1", 0x50), ("CLONE_ARGS_SIZE_VER2", 0x58),
        ("CLONE_NEWTIME", 0x80), ("CLONE_VM", 0x100), ("CLONE_FS", 0x200), ("CLONE_FILES", 0x400),
        ("CLONE_SIGHAND", 0x800), ("CLONE_PIDFD", 0x1000), ("CLONE_PTRACE", 0x2000), ("CLONE_VFORK", 0x4000),
        ("CLONE_PARENT", 0x8000), ("CLONE_THREAD", 0x10000), ("CLONE_NEWNS", 0x20000), ("CLONE_SYSVSEM", 0x40000),
        ("CLONE_SETTLS", 0x80000), ("CLONE_PARENT_SETTID", 0x100000), ("CLONE_CHILD_CLEARTID", 0x200000),
        ("CLONE_DETACHED", 0x400000), ("CLONE_UNTRACED", 0x800000), ("CLONE_CHILD_SETTID", 0x1000000),
        ("CLONE_NEWCGROUP", 0x2000000), ("CLONE_NEWUTS", 0x4000000), ("CLONE_NEWIPC", 0x8000000),
        ("CLONE_NEWUSER", 0x10000000), ("CLONE_NEWPID", 0x20000000), ("CLONE_NEWNET", 0x40000000),
        ("CLONE_IO", 0x80000000), ("CLONE_CLEAR_SIGHAND", 0x100000000), ("CLONE_INTO_CGROUP", 0x200000000),
        ("SCHED_NORMAL", 0), ("SCHED_FLAG_RESET_ON_FORK", 1), ("SCHED_FIFO", 1), ("SCHED_RR", 2),
        ("SCHED_FLAG_RECLAIM", 2), ("SCHED_BATCH", 3), ("SCHED_FLAG_DL_OVERRUN", 4), ("SCHED_IDLE", 5),
        ("SCHED_DEADLINE", 6), ("SCHED_FLAG_KEEP_POLICY", 8), ("SCHED_FLAG_KEEP_PARAMS", 0x10),
        ("SCHED_FLAG_KEEP_ALL", 0x18), ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20), ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
        ("SCHED_FLAG_UTIL_CLAMP", 0x60), ("SCHED_FLAG_ALL", 0x7f), ("SCHED_RESET_ON_FORK", 0x40000000),
    ]),
    ("linux/mount.h", &[
        ("MS_RDONLY", 1), ("MS_NOSUID", 2), ("MS_NODEV", 4), ("MS_NOEXEC", 8), ("MS_SYNCHRONOUS", 0x10),
        ("MS_REMOUNT", 0x20), ("MS_MANDLOCK", 0x40), ("MS_DIRSYNC", 0x80), ("MS_NOSYMFOLLOW", 0x100),
        ("MS_NOATIME", 0x400), ("MS_NODIRATIME", 0x800), ("MS_BIND", 0x1000), ("MS_MOVE", 0x2000), ("MS_REC", 0x4000),
        ("MS_SILENT", 0x8000), ("MS_VERBOSE", 0x8000), ("MS_POSIXACL", 0x10000), ("MS_UNBINDABLE", 0x20000),
        ("MS_PRIVATE", 0x40000), ("MS_SLAVE", 0x80000), ("MS_SHARED", 0x100000), ("MS_RELATIME", 0x200000),
        ("MS_KERNMOUNT", 0x400000), ("MS_I_VERSION", 0x800000), ("MS_STRICTATIME", 0x1000000),
        ("MS_LAZYTIME", 0x2000000), ("MS_RMT_MASK", 0x2800051), ("MS_SUBMOUNT", 0x4000000),
        ("MS_NOREMOTELOCK", 0x8000000), ("MS_NOSEC", 0x10000000), ("MS_BORN", 0x20000000), ("MS_ACTIVE", 0x40000000),
        ("MS_MGC_VAL", 0xc0ed0000), ("MS_MGC_MSK", 0xffff0000),
    ]),
    ("linux/limits.h", &[
        ("PIPE_BUF", 4096), ("ARG_MAX", 131072), ("XATTR_SIZE_MAX", 65536), ("PATH_MAX", 4096), ("NAME_MAX", 255),
        ("NGROUPS_MAX", 65536), ("XATTR_LIST_MAX", 65536), ("XATTR_NAME_MAX", 255),
    ]),
    ("linux/futex.h", &[
        ("FUTEX_CMD_MASK", -385), ("FUTEX_WAIT", 0), ("FUTEX_OP_SET", 0), ("FUTEX_OP_CMP_EQ", 0), ("FUTEX_WAKE", 1),
        ("FUTEX_OP_CMP_NE", 1), ("FUTEX_OP_ADD", 1), ("FUTEX_OP_CMP_LT", 2), ("FUTEX_32", 2), ("FUTEX_FD", 2),
        ("FUTEX_OP_OR", 2), ("FUTEX_OP_ANDN", 3), ("FUTEX_REQUEUE", 3), ("FUTEX_OP_CMP_LE", 3), ("FUTEX_OP_CMP_GT", 4),
        ("FUTEX_OP_XOR", 4), ("FUTEX_CMP_REQUEUE", 4), ("FUTEX_OP_CMP_GE", 5), ("FUTEX_WAKE_OP", 5),
        ("FUTEX_LOCK_PI", 6), ("FUTEX_UNLOCK_PI", 7), ("FUTEX_OP_OPARG_SHIFT", 8), ("FUTEX_TRYLOCK_PI", 8),
        ("FUTEX_WAIT_BITSET", 9), ("FUTEX_WAKE_BITSET", 0xa), ("FUTEX_WAIT_REQUEUE_PI", 0xb),
        ("FUTEX_CMP_REQUEUE_PI", 0xc), ("FUTEX_LOCK_PI2", 0xd), ("FUTEX_WAIT_PRIVATE", 0x80), ("FUTEX_WAITV_MAX", 0x80),
        ("FUTEX_PRIVATE_FLAG", 0x80), ("FUTEX_WAKE_PRIVATE", 0x81), ("FUTEX_REQUEUE_PRIVATE", 0x83),
        ("FUTEX_CMP_REQUEUE_PRIVATE", 0x84), ("FUTEX_WAKE_OP_PRIVATE", 0x85), ("FUTEX_LOCK_PI_PRIVATE", 0x86),
        ("FUTEX_UNLOCK_PI_PRIVATE", 0x87), ("FUTEX_TRYLOCK_PI_PRIVATE", 0x88), ("FUTEX_WAIT_BITSET_PRIVATE", 0x89),
        ("FUTEX_WAKE_BITSET_PRIVATE", 0x8a), ("FUTEX_WAIT_REQUEUE_PI_PRIVATE", 0x8b),
        ("FUTEX_CMP_REQUEUE_PI_PRIVATE", 0x8c), ("FUTEX_LOCK_PI2_PRIVATE", 0x8d), ("FUTEX_CLOCK_REALTIME", 0x100),
        ("FUTEX_TID_MASK", 0x3fffffff), ("FUTEX_OWNER_DIED", 0x40000000), ("FUTEX_WAITERS", 0x80000000),
        ("FUTEX_BITSET_MATCH_ANY", 0xffffffff),
    ]),
    ("linux/fs.h", &[
        ("RENAME_EXCHANGE", 2), ("RENAME_NOREPLACE", 1), ("SEEK_CUR", 1), ("SEEK_MAX", 4), ("SEEK_DATA", 3),
        ("RENAME_WHITEOUT", 4), ("SEEK_SET", 0), ("SEEK_HOLE", 4), ("SEEK_END", 2),
    ]),
    ("linux/eventpoll.h", &[
        ("EPOLL_CTL_ADD", 1), ("EPOLL_CTL_DEL", 2), ("EPOLL_CTL_MOD", 3), ("EPOLL_CLOEXEC", 0x80000),
        ("EPOLL_URING_WAKE", 0x8000000), ("EPOLLERR", 8), ("EPOLLET", 0x80000000), ("EPOLLEXCLUSIVE", 0x10000000),
        ("EPOLLHUP", 0x10), ("EPOLLIN", 1), ("EPOLLMSG", 0x400), ("EPOLLNVAL", 0x20), ("EPOLLONESHOT", 0x40000000),
        ("EPOLLOUT", 4), ("EPOLLPRI", 2), ("EPOLLRDBAND", 0x80), ("EPOLLRDHUP", 0x2000), ("EPOLLRDNORM", 0x40),
        ("EPOLLWAKEUP", 0x20000000), ("EPOLLWRBAND", 0x200), ("EPOLLWRNORM", 0x100),
    ]),
    ("asm/poll.h", &[
        ("POLLERR", 8), ("POLLHUP", 0x10), ("POLLIN", 1), ("POLLMSG", 0x400), ("POLLNVAL", 0x20), ("POLLOUT", 4),
        ("POLLPRI", 2), ("POLLRDBAND", 0x80), ("POLLRDHUP", 0x2000), ("POLLRDNORM", 0x40), ("POLLREMOVE", 0x1000),
        ("POLLWRBAND", 0x200), ("POLLWRNORM", 0x100),
    ]),
    ("linux/time.h", &[
        ("CLOCK_REALTIME", 0), ("CLOCK_MONOTONIC", 1), ("CLOCK_PROCESS_CPUTIME_ID", 2), ("CLOCK_THREAD_CPUTIME_ID", 3),
        ("CLOCK_MONOTONIC_RAW", 4), ("CLOCK_REALTIME_COARSE", 5), ("CLOCK_MONOTONIC_COARSE", 6), ("CLOCK_BOOTTIME", 7),
        ("CLOCK_REALTIME_ALARM", 8), ("CLOCK_BOOTTIME_ALARM", 9), ("CLOCK_SGI_CYCLE", 10), ("CLOCK_TAI", 11),
        ("ITIMER_REAL", 0), ("ITIMER_VIRTUAL", 1), ("ITIMER_PROF", 2),
    ]),
    ("asm/resource.h", &[
        ("RLIMIT_CPU", 0), ("RLIMIT_FSIZE", 1), ("RLIMIT_DATA", 2), ("RLIMIT_STACK", 3), ("RLIMIT_CORE", 4),
        ("RLIMIT_RSS", 5), ("RLIMIT_NPROC", 6), ("RLIMIT_NOFILE", 7), ("RLIMIT_MEMLOCK", 8), ("RLIMIT_AS", 9),
        ("RLIMIT_LOCKS", 10), ("RLIMIT_SIGPENDING", 11), ("RLIMIT_MSGQUEUE", 12), ("RLIMIT_NICE", 13),
        ("RLIMIT_RTPRIO", 14), ("RLIMIT_RTTIME", 15),
    ]),
    ("linux/netfilter.h", &[
        ("NF_DROP", 0), ("NF_INET_PRE_ROUTING", 0), ("NF_NETDEV_INGRESS", 0), ("NF_ACCEPT", 1), ("NF_INET_LOCAL_IN", 1),
        ("NF_NETDEV_EGRESS", 1), ("NF_STOLEN", 2), ("NF_INET_FORWARD", 2), ("NF_NETDEV_NUMHOOKS", 2), ("NF_QUEUE", 3),
        ("NF_INET_LOCAL_OUT", 3), ("NF_REPEAT", 4), ("NF_INET_POST_ROUTING", 4), ("NF_MAX_VERDICT", 5), ("NF_STOP", 5),
        ("NF_INET_NUMHOOKS", 5), ("NF_INET_INGRESS", 5), ("NF_VERDICT_BITS", 16), ("NF_VERDICT_QBITS", 16),
        ("NF_VERDICT_MASK", 255), ("NF_VERDICT_FLAG_QUEUE_BYPASS", 32768), ("NF_VERDICT_QMASK", 4294901760),
    ]),
    ("linux/udp.h", &[
        ("UDP_ENCAP_ESPINUDP_NON_IKE", 1), ("UDP_ENCAP_RXRPC", 6), ("UDP_GRO", 104), ("UDP_CORK", 1),
        ("UDP_ENCAP_GTP0", 4), ("UDP_ENCAP_ESPINUDP", 2), ("UDP_ENCAP", 100), ("UDP_NO_CHECK6_TX", 101),
        ("UDP_NO_CHECK6_RX", 102), ("UDP_ENCAP_GTP1U", 5), ("UDP_ENCAP_L2TPINUDP", 3), ("UDP_SEGMENT", 103),
    ]),
    ("linux/un.h", &[
        ("UNIX_PATH_MAX", 108),
    ]),
    ("linux/bpf.h", &[
        ("XDP_ABORTED", 0), ("XDP_DROP", 1), ("XDP_PASS", 2), ("XDP_TX", 3), ("XDP_REDIRECT", 4), ("TCX_NEXT", -1),
        ("TCX_PASS", 0), ("TCX_DROP", 2), ("TCX_REDIRECT", 7),
    ]),
    ("linux/pkt_cls.h", &[
        ("TC_ACT_UNSPEC", -1), ("TC_ACT_OK", 0), ("TC_ACT_RECLASSIFY", 1), ("TC_ACT_SHOT", 2), ("TC_ACT_PIPE", 3),
        ("TC_ACT_STOLEN", 4), ("TC_ACT_QUEUED", 5), ("TC_ACT_REPEAT", 6), ("TC_ACT_REDIRECT", 7), ("TC_ACT_TRAP", 8),
    ]),
    ("linux/capability.h", &[
        ("CAP_CHOWN", 0), ("CAP_DAC_OVERRIDE", 1), ("CAP_DAC_READ_SEARCH", 2), ("CAP_FOWNER", 3), ("CAP_FSETID", 4),
        ("CAP_KILL", 5), ("CAP_SETGID", 6), ("CAP_SETUID", 7), ("CAP_SETPCAP", 8), ("CAP_LINUX_IMMUTABLE", 9),
        ("CAP_NET_BIND_SERVICE", 10), ("CAP_NET_BROADCAST", 11), ("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13),
        ("CAP_IPC_LOCK", 14), ("CAP_IPC_OWNER", 15), ("CAP_SYS_MODULE", 16), ("CAP_SYS_RAWIO", 17),
        ("CAP_SYS_CHROOT", 18), ("CAP_SYS_PTRACE", 19), ("CAP_SYS_PACCT", 20), ("CAP_SYS_ADMIN", 21),
        ("CAP_SYS_BOOT", 22), ("CAP_SYS_NICE", 23), ("CAP_SYS_RESOURCE", 24), ("CAP_SYS_TIME", 25),
        ("CAP_SYS_TTY_CONFIG", 26), ("CAP_MKNOD", 27), ("CAP_LEASE", 28), ("CAP_AUDIT_WRITE", 29),
        ("CAP_AUDIT_CONTROL", 30), ("CAP_SETFCAP", 31), ("CAP_MAC_OVERRIDE", 32), ("CAP_MAC_ADMIN", 33),
        ("CAP_SYSLOG", 34), ("CAP_WAKE_ALARM", 35), ("CAP_BLOCK_SUSPEND", 36), ("CAP_AUDIT_READ", 37),
        ("CAP_PERFMON", 38), ("CAP_BPF", 39), ("CAP_CHECKPOINT_RESTORE", 40),
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use hashbrown::HashSet;
    use std::fmt::Write as _;
    use std::process::Command;

    #[test]
    fn a_name_has_one_number() {
        let mut seen = HashSet::new();
        assert_eq!(names().filter(|name| !seen.insert(*name)).collect::<Vec<_>>(), Vec::<&str>::new());
        assert_eq!(find("AF_INET6"), Some(10));
        assert_eq!(find("NO_SUCH_NAME"), None);
    }

    /// Each group in a program of its own, because some headers do not like each other.
    #[test]
    fn the_headers_of_this_machine_agree() {
        let directory = std::env::temp_dir().join(format!("rtrace-c-constants-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory for the compiler");
        let groups = TABLE.iter().copied().chain([("asm/fcntl.h", OF_PROCESSOR)]);
        for (i, (header, rows)) in groups.enumerate() {
            let mut text = format!("#include <{header}>\n");
            for (name, value) in rows {
                // What an older system does not have yet is not compared.
                let _ = writeln!(text, "_Static_assert((long long)({name}) == {value}, \"{name}\");");
            }
            let source = directory.join(format!("{i}.c"));
            std::fs::write(&source, text).expect("the program can be written");
            let output = Command::new("cc").args(["-w", "-fsyntax-only"]).arg(&source).output();
            let output = match output {
                Ok(output) => output,
                Err(error) => {
                    eprintln!("SKIPPED: no C compiler here to compare with ({error})");
                    return;
                }
            };
            let told = String::from_utf8_lossy(&output.stderr);
            if told.contains("No such file") {
                eprintln!("SKIPPED: {header} is not installed here");
                continue;
            }
            let wrong: Vec<&str> = told.lines().filter(|line| line.contains("static assertion failed")).collect();
            assert_eq!(wrong, Vec::<&str>::new(), "{header}");
        }
        let _ = std::fs::remove_dir_all(&directory);
    }
}
