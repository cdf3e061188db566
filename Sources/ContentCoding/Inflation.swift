import CZlib

/// Decompresses DEFLATE streams (RFC 1951) with zlib.
enum Inflation {
    /// The container format around the stream.
    enum Wrapper {
        case gzip
        case zlib
        case bare

        /// `windowBits` for `inflateInit2`: 15 is the largest window, plus 16 for gzip, negative for a raw stream.
        var windowBits: Int32 {
            switch self {
            case .gzip: 15 + 16
            case .zlib: 15
            case .bare: -15
            }
        }
    }

    /// Decompresses the input. Throws if the output exceeds `maxBytes`, or the stream is damaged or truncated.
    ///
    /// Reads consecutive gzip members (RFC 1952, section 2.2) and ignores other trailing bytes.
    static func inflate(
        _ input: [UInt8], as wrapper: Wrapper, maxBytes: Int
    ) throws(ContentCoding.Failure) -> [UInt8] {
        // zlib keeps a pointer to the stream, so its address must not change.
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer {
            inflateEnd(stream)
            stream.deinitialize(count: 1)
            stream.deallocate()
        }
        let size = Int32(MemoryLayout<z_stream>.size)
        guard inflateInit2_(stream, wrapper.windowBits, ZLIB_VERSION, size) == Z_OK else { throw .damaged }
        var output: [UInt8] = []
        var consumed = 0
        while true {
            guard let step = step(stream, input[consumed...]) else { throw .damaged }
            guard output.count + step.bytes.count <= maxBytes else { throw .tooLarge }
            output += step.bytes
            consumed += step.consumed
            switch step.status {
            case Z_STREAM_END:
                let rest = input[consumed...]
                guard wrapper == .gzip, rest.starts(with: [0x1f, 0x8b]), inflateReset(stream) == Z_OK else {
                    return output
                }
            case Z_OK where step.consumed > 0 || !step.bytes.isEmpty: break
            default: throw .damaged
            }
        }
    }

    /// Calls zlib once with bounded input and output. Returns nil if zlib rejects the input.
    private static func step(
        _ stream: UnsafeMutablePointer<z_stream>, _ input: ArraySlice<UInt8>
    ) -> (bytes: [UInt8], consumed: Int, status: Int32)? {
        // zlib counts have 32 bits.
        let piece = input.prefix(pieceBytes)
        var status = Z_OK
        var consumed = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: pieceBytes) { buffer, count in
            piece.withUnsafeBufferPointer { source in
                // zlib does not write to the input; its API lacks the `const`.
                stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                stream.pointee.avail_in = uInt(source.count)
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = uInt(buffer.count)
                status = CZlib.inflate(stream, Z_NO_FLUSH)
                consumed = source.count - Int(stream.pointee.avail_in)
                count = buffer.count - Int(stream.pointee.avail_out)
            }
        }
        switch status {
        case Z_OK, Z_STREAM_END, Z_BUF_ERROR: return (bytes, consumed, status)
        default: return nil
        }
    }

    /// The most bytes of input and of output per call.
    private static let pieceBytes = 1 << 18
}
