//! Freed memory is wiped, also when a growing vector moves.
#![expect(
    unsafe_code,
    reason = "looks at blocks on their way back to the allocator, which only unsafe code can"
)]
use std::{
    alloc::{GlobalAlloc, Layout, System},
    slice,
    sync::atomic::{AtomicUsize, Ordering},
};

use sealink::zero_alloc::ZeroOnFree;

/// Counts blocks that come back, and those of them that are not wiped.
#[derive(Default)]
struct Witness {
    freed: AtomicUsize,
    dirty: AtomicUsize,
}

// SAFETY: forwards to the system's allocator; reads a block before it is freed, within its size.
unsafe impl GlobalAlloc for &Witness {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is still allocated and was written in full by the test.
        let bytes = unsafe { slice::from_raw_parts(block, layout.size()) };
        self.freed.fetch_add(1, Ordering::Relaxed);
        self.dirty.fetch_add(usize::from(bytes.iter().any(|&byte| byte != 0)), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Allocates, fills, moves to a larger block, fills and frees, through `allocator`.
fn exercise(allocator: &impl GlobalAlloc) {
    for size in [1, 7, 64, 4_096, 100_000] {
        let layout = Layout::array::<u8>(size).expect("a layout");
        // SAFETY: non-zero sizes; every block is used within its size and freed once with its layout.
        unsafe {
            let block = allocator.alloc(layout);
            assert!(!block.is_null());
            block.write_bytes(0xaa, size);
            let block = allocator.realloc(block, layout, 2 * size);
            assert!(!block.is_null());
            assert_eq!(*block.add(size - 1), 0xaa, "the content moved along");
            block.write_bytes(0xbb, 2 * size);
            allocator.dealloc(block, Layout::array::<u8>(2 * size).expect("a layout"));
        }
    }
}

#[test]
fn t4_every_freed_block_is_wiped() {
    let witness = Witness::default();
    exercise(&ZeroOnFree::new(&witness));
    assert_eq!(witness.freed.load(Ordering::Relaxed), 10);
    assert_eq!(witness.dirty.load(Ordering::Relaxed), 0);
    // The witness sees what is not wiped.
    exercise(&&witness);
    assert_eq!(witness.dirty.load(Ordering::Relaxed), 10);
}
