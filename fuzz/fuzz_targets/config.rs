#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| signl4_rocketchat::fuzzing::config(bytes));
