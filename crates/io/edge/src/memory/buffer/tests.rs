use std::net::{IpAddr, Ipv4Addr};

use super::{Buffer, LEAST};
use crate::memory::{Holder, Memory, MemoryLimits, OverBudget};

const MIB: usize = 1024 * 1024;

fn memory(per_holder: usize) -> Memory {
    Memory::new(MemoryLimits { total: 100 * MIB, per_holder })
}

fn buffer(memory: &Memory, expected: usize) -> Result<Buffer, OverBudget> {
    Buffer::with_capacity(memory.account(&Holder::Network(IpAddr::V4(Ipv4Addr::LOCALHOST))), expected)
}

#[test]
fn a_declared_length_is_counted_before_a_byte_arrives_and_nothing_besides() {
    let memory = memory(10 * MIB);
    let mut whole = buffer(&memory, 3 * MIB).unwrap();
    assert_eq!(memory.held(), 3 * MIB);
    for _ in 0..3 {
        whole.extend(&vec![1; MIB]).unwrap();
    }
    assert_eq!(memory.held(), 3 * MIB);
    assert!(buffer(&memory, 8 * MIB).is_err());
}

#[test]
fn an_unknown_length_counts_what_is_allocated_for_it() {
    let memory = memory(10 * MIB);
    let mut whole = buffer(&memory, 0).unwrap();
    whole.extend(b"a").unwrap();
    assert_eq!(memory.held(), LEAST);
    let mut most = 0;
    let refused = loop {
        most = most.max(memory.held());
        if let Err(refused) = whole.extend(&[0; 1000]) {
            break refused;
        }
        assert!(memory.held() >= whole.len());
    };
    assert!(matches!(refused, OverBudget::Share { .. }));
    assert!((2 * MIB..=10 * MIB).contains(&whole.len()), "{}", whole.len());
}

#[test]
fn the_bytes_are_counted_until_their_last_slice_is_gone() {
    let memory = memory(MIB);
    let mut whole = buffer(&memory, 5).unwrap();
    whole.extend(b"12345").unwrap();
    let frozen = whole.freeze();
    let slice = frozen.slice(1..3);
    drop(frozen);
    assert_eq!((&*slice, memory.held()), (&b"23"[..], 5));
    drop(slice);
    assert_eq!(memory.held(), 0);
}
