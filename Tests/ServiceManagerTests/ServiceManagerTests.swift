import Foundation
import Glibc
import ServiceManager
import Testing

@Suite struct ServiceManagerTests {
    /// A socket that receives reports, as systemd's.
    private final class Receiver: Sendable {
        let name: String
        private let descriptor: Int32

        /// An abstract name begins with an `@`.
        init(isAbstract: Bool) throws {
            let path = "/tmp/pollux-notify-\(UInt32.random(in: .min ... .max))"
            name = isAbstract ? "@" + path : path
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let bytes = (isAbstract ? [0] : []) + Array(path.utf8)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            let length = socklen_t(2 + bytes.count)
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
            }
            try #require(result == 0)
        }

        deinit {
            close(descriptor)
            if !name.hasPrefix("@") { unlink(name) }
        }

        /// The next message that is there already; nil if there is none.
        func next() -> String? {
            var bytes = [UInt8](repeating: 0, count: 4_096)
            let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
        }
    }

    @Test(arguments: [false, true]) func `reports reach the socket of the service manager`(isAbstract: Bool) throws {
        let receiver = try Receiver(isAbstract: isAbstract)
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": receiver.name])
        manager.send(.ready, .status("two\nlines"))
        manager.send(.alive)
        manager.send(.stopping)
        #expect(receiver.next() == "READY=1\nSTATUS=two lines")
        #expect(receiver.next() == "WATCHDOG=1")
        #expect(receiver.next() == "STOPPING=1")
        #expect(receiver.next() == nil)
    }

    @Test func `a reload says when it began, by the monotonic clock`() throws {
        func now() -> Int64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
        }
        let receiver = try Receiver(isAbstract: false)
        let before = now()
        ServiceManager(environment: ["NOTIFY_SOCKET": receiver.name]).send(.reloading)
        let message = try #require(receiver.next())
        let time = try #require(message.firstMatch(of: /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/)?.1)
        #expect((before...now()).contains(try #require(Int64(time))))
    }

    @Test func `a full queue of a reader that is behind blocks no sign of life`() throws {
        let receiver = try Receiver(isAbstract: true)
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": receiver.name])
        // More than the queue of a datagram socket takes (net.unix.max_dgram_qlen).
        for _ in 0..<2_000 { manager.send(.alive) }
        #expect(receiver.next() == "WATCHDOG=1")
    }

    @Test(arguments: ["", "vsock:2:9999", "relative", "/nowhere/notify", "/" + String(repeating: "x", count: 107)])
    func `without a socket that can be reached, reports are dropped`(name: String) {
        ServiceManager(environment: ["NOTIFY_SOCKET": name]).send(.ready)
        ServiceManager(environment: [:]).send(.ready)
    }

    @Test func `the watchdog is on only for the process that the service manager means`() {
        func interval(_ more: [String: String]) -> Duration? {
            ServiceManager(environment: ["NOTIFY_SOCKET": "/x"].merging(more) { $1 }, pid: 7).watchdogInterval
        }
        #expect(interval(["WATCHDOG_USEC": "120000000"]) == .seconds(120))
        #expect(interval(["WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "7"]) == .seconds(120))
        #expect(interval(["WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "8"]) == nil)
        #expect(interval(["WATCHDOG_USEC": "0"]) == nil)
        #expect(interval(["WATCHDOG_USEC": "soon"]) == nil)
        #expect(interval([:]) == nil)
        #expect(ServiceManager(environment: ["WATCHDOG_USEC": "120000000"], pid: 7).watchdogInterval == nil)
    }
}
