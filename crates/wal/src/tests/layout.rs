//! The page `FORMAT.md` and the code say the same.

use super::*;

/// Every row of sixteen bytes that is not all zero, as the page shows them.
fn dump(bytes: &[u8]) -> String {
    let rows = bytes.chunks(16).enumerate().filter(|(_, row)| row.iter().any(|byte| *byte != 0));
    let lines = rows.map(|(index, row)| {
        let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", index * 16, hex.join(" "))
    });
    lines.collect()
}

fn page_example() -> &'static str {
    let page = include_str!("../../FORMAT.md");
    page.split("```text example\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap()
}

fn example() -> (MemoryStorage, Wal) {
    let disk = MemoryStorage::new();
    let options = WalOptions { segment_bytes: 64 << 10, nonce_seed: 2013, ..WalOptions::default() };
    let wal = open(&disk, options);
    wal.commit(&[b"hello", b"", b"log"]).unwrap();
    wal.close().unwrap();
    (disk, wal)
}

#[test]
fn the_worked_example_is_what_the_code_writes() {
    let (disk, _wal) = example();
    assert_eq!(numbers(&disk).unwrap(), [1]);
    assert_eq!(dump(&read(&disk, &name_of(1))), page_example());
}

#[test]
fn the_worked_example_is_what_the_code_reads() {
    let mut bytes = vec![0; (SEGMENT_HEADER_BYTES + 2 * ALIGNMENT) as usize];
    for line in page_example().lines() {
        let (offset, row) = line.split_once("  ").unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (index, byte) in row.split(' ').enumerate() {
            bytes[offset + index] = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    let disk = MemoryStorage::new();
    disk.create(&name_of(1)).unwrap().write_at(0, &bytes).unwrap();
    let (wal, recovery) = try_open(&disk, WalOptions::default()).unwrap();
    assert_eq!((recovery.end, recovery.groups_rewritten, recovery.torn), (Lsn(4096), 0, None));
    let found = groups(&wal);
    assert_eq!((found.len(), found[0].start, found[0].end), (1, Lsn(0), Lsn(4096)));
    assert_eq!(found[0].records, ["hello", "", "log"]);
}
