//! libpcap's own compiler and interpreter, found when a test runs.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

/// A compiled filter of libpcap (`struct bpf_program`).
#[repr(C)]
pub struct Program {
    length: c_uint,
    instructions: *mut c_void,
}

/// `struct pcap_pkthdr`
#[repr(C)]
struct Header {
    seconds: i64,
    microseconds: i64,
    captured: u32,
    length: u32,
}

type OpenDead = unsafe extern "C" fn(c_int, c_int) -> *mut c_void;
type Compile = unsafe extern "C" fn(*mut c_void, *mut Program, *const c_char, c_int, u32) -> c_int;
type Filter = unsafe extern "C" fn(*const Program, *const Header, *const u8) -> c_int;
type Free = unsafe extern "C" fn(*mut Program);
type Error = unsafe extern "C" fn(*mut c_void) -> *const c_char;

/// libpcap for one kind of link.
pub struct Oracle {
    handle: *mut c_void,
    compile: Compile,
    filter: Filter,
    free: Free,
    error: Error,
}

/// `PCAP_NETMASK_UNKNOWN`
const NO_MASK: u32 = u32::MAX;
/// `DLT_EN10MB`, `DLT_RAW`
const ETHERNET: c_int = 1;
const RAW: c_int = 12;

impl Oracle {
    /// For packets that begin with Ethernet's header, or with IP's. None if libpcap is not installed.
    pub fn new(has_ethernet: bool) -> Option<Self> {
        let library = [c"libpcap.so.0.8", c"libpcap.so.1", c"libpcap.so"].into_iter().find_map(|name| {
            // SAFETY: the name is a string of C; loading libpcap runs no code of it that matters here.
            let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
            (!library.is_null()).then_some(library)
        })?;
        let symbol = |name: &CStr| {
            // SAFETY: the library was loaded above and the name is a string of C.
            let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
            (!symbol.is_null()).then_some(symbol)
        };
        // SAFETY: pcap(3pcap) declares the functions with these types.
        let (open, compile, filter, free, error) = unsafe {
            (
                std::mem::transmute::<*mut c_void, OpenDead>(symbol(c"pcap_open_dead")?),
                std::mem::transmute::<*mut c_void, Compile>(symbol(c"pcap_compile")?),
                std::mem::transmute::<*mut c_void, Filter>(symbol(c"pcap_offline_filter")?),
                std::mem::transmute::<*mut c_void, Free>(symbol(c"pcap_freecode")?),
                std::mem::transmute::<*mut c_void, Error>(symbol(c"pcap_geterr")?),
            )
        };
        let link = if has_ethernet { ETHERNET } else { RAW };
        // SAFETY: as declared.
        let handle = unsafe { open(link, 262_144) };
        (!handle.is_null()).then_some(Self { handle, compile, filter, free, error })
    }

    /// Compiles a filter, or says what libpcap has against it.
    pub fn compile(&self, text: &str, optimise: bool) -> Result<Program, String> {
        let text = CString::new(text).map_err(|_| "has a zero".to_owned())?;
        let mut program = Program { length: 0, instructions: std::ptr::null_mut() };
        // SAFETY: the handle is open, and the program and the text outlive the call.
        let status =
            unsafe { (self.compile)(self.handle, &raw mut program, text.as_ptr(), c_int::from(optimise), NO_MASK) };
        if status == 0 {
            return Ok(program);
        }
        // SAFETY: libpcap keeps the message of the last error, which ends with a zero.
        Err(unsafe { CStr::from_ptr((self.error)(self.handle)) }.to_string_lossy().into_owned())
    }

    /// Whether a compiled filter accepts the packet.
    pub fn accepts(&self, program: &Program, packet: &[u8]) -> bool {
        let length = packet.len() as u32;
        let header = Header { seconds: 0, microseconds: 0, captured: length, length };
        // SAFETY: the program was compiled by this library, and the header says how many bytes there are.
        unsafe { (self.filter)(program, &raw const header, packet.as_ptr()) != 0 }
    }

    /// Gives a compiled filter back.
    pub fn free(&self, mut program: Program) {
        // SAFETY: the program was compiled by this library, and is not used again.
        unsafe { (self.free)(&raw mut program) }
    }
}
