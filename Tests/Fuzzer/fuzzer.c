// Empty, because libFuzzer has `main`, and the Swift targets have the function that it calls.
typedef int pollux_fuzzer_is_empty;
