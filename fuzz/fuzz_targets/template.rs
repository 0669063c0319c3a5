#![no_main]

libfuzzer_sys::fuzz_target!(
    // libFuzzer's hook ends the process at every panic. Those of a filter are caught, and become errors; of any other one, libFuzzer
    // is still told.
    init: drop(std::panic::take_hook()),
    |bytes: &[u8]| signl4_rocketchat::fuzzing::template(bytes)
);
