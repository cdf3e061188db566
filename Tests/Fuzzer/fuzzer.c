// Empty on purpose: libFuzzer brings `main`, and the Swift targets what it calls.
typedef int pollux_fuzzer_is_empty;
