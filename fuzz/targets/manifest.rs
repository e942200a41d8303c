//! A damaged manifest gives the state that was committed last, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monostable_fuzz::store::{STORE, read};
use monostable_fuzz::{Damage, disk};

fuzz_target!(|input: &[u8]| {
    let Some(damage) = Damage::parse(input) else { return };
    let (sound, expected) = &*STORE;
    if let Ok(found) = read(disk(&damage.apply(sound, |name| !name.ends_with(".run")))) {
        assert!(!damage.is_burst() || found == *expected, "damage changed what the store holds");
    }
});
