import CZlib

extension ContentCoding {
    /// Compresses the bytes with gzip (RFC 1952), as small as zlib can.
    package static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer {
            deflateEnd(stream)
            stream.deinitialize(count: 1)
            stream.deallocate()
        }
        // 15 is the largest window, plus 16 for gzip; 8 is the usual memory.
        let began = deflateInit2_(
            stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(began == Z_OK, "zlib cannot begin")
        let room = Int(deflateBound(stream, uLong(bytes.count)))
        return [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            bytes.withUnsafeBufferPointer { source in
                // zlib does not write to the input; its API lacks the `const`.
                stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                stream.pointee.avail_in = uInt(source.count)
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = uInt(buffer.count)
                let ended = deflate(stream, Z_FINISH)
                precondition(ended == Z_STREAM_END, "the room that zlib asked for is too small")
                count = buffer.count - Int(stream.pointee.avail_out)
            }
        }
    }
}
