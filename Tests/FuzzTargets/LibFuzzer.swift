#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The entry point of libFuzzer for an input. The environment variable `POLLUX_FUZZ_TARGET` selects the parser.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    chosenTarget.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

private let chosenTarget: FuzzTarget = {
    let name = getenv("POLLUX_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        preconditionFailure("POLLUX_FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    return target
}()
