//! An allocator that wipes memory before it is freed.
//!
//! The HTTP and TLS libraries keep copies of requests in buffers that no crate wipes; with this, none of them
//! outlives its buffer. Costs one pass over each block that is freed.
#![expect(unsafe_code, reason = "an allocator cannot be written without; it only forwards and wipes")]
use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    ptr,
};

/// Blocks from this size on are the system's.
const LARGE: usize = 256 << 10;

/// Wraps two allocators: a fast one for most blocks, and the system's for large ones, which go back to it when they are
/// freed instead of being kept for the next. In the binary:
/// `#[global_allocator] static MEMORY: ZeroOnFree<MiMalloc> = ZeroOnFree::new(MiMalloc);`
pub struct ZeroOnFree<A>(A);

impl<A> ZeroOnFree<A> {
    /// Wraps `allocator`.
    pub const fn new(allocator: A) -> Self {
        Self(allocator)
    }
}

// SAFETY: every block comes from and returns to the same inner allocator, which its own layout tells. The default
// `realloc` allocates, copies and calls `dealloc`, so a block that moves is wiped too.
unsafe impl<A: GlobalAlloc> GlobalAlloc for ZeroOnFree<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe { if layout.size() < LARGE { self.0.alloc(layout) } else { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe {
            if layout.size() < LARGE { self.0.alloc_zeroed(layout) } else { System.alloc_zeroed(layout) }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is `layout.size()` bytes long and still ours.
        unsafe { ptr::write_bytes(block, 0, layout.size()) };
        // Without this the compiler drops the stores: nobody reads them before the block is gone.
        black_box(block);
        // SAFETY: the caller's promises are passed on.
        unsafe {
            if layout.size() < LARGE { self.0.dealloc(block, layout) } else { System.dealloc(block, layout) }
        }
    }
}
