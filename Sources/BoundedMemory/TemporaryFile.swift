#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// An unnamed file that only this process can read. It disappears with this object or the process.
final class TemporaryFile: Sendable {
    /// An `errno` value.
    struct Failure: Error {
        let code: CInt
    }

    private let descriptor: CInt

    /// Creates a file with mode 0600 on the file system of that directory.
    init(in directory: String) throws(Failure) {
        var path = Array("\(directory)/.pollux-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw Failure(code: errno) }
        unlink(path)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }

    /// Writes all bytes. A failed call may have written some of them.
    func write(_ bytes: some Collection<UInt8>, at offset: Int) throws(Failure) {
        var error: CInt?
        func write(_ bytes: UnsafeRawBufferPointer) {
            var done = 0
            while done < bytes.count {
                let count = pwrite(
                    descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset + done))
                guard count > 0 else {
                    if count < 0, errno == EINTR { continue }
                    error = count < 0 ? errno : EIO
                    return
                }
                done += count
            }
        }
        if bytes.withContiguousStorageIfAvailable({ write(UnsafeRawBufferPointer($0)) }) == nil {
            Array(bytes).withUnsafeBytes(write)
        }
        if let error { throw Failure(code: error) }
    }

    /// Reads exactly this many bytes.
    func read(_ count: Int, at offset: Int) throws(Failure) -> [UInt8] {
        var error: CInt?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let read = pread(
                    descriptor, buffer.baseAddress?.advanced(by: filled), count - filled, off_t(offset + filled))
                guard read > 0 else {
                    if read < 0, errno == EINTR { continue }
                    error = read < 0 ? errno : EIO
                    return
                }
                filled += read
            }
        }
        if let error { throw Failure(code: error) }
        return bytes
    }

    /// Releases the disk space.
    func clear() { _ = ftruncate(descriptor, 0) }
}
