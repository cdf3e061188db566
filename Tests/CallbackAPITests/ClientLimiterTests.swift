import NIOCore
import TaskTesting
import Testing

@testable import CallbackAPI

@Suite struct ClientLimiterTests {
    private func limiter(_ time: ManualTimeSource = ManualTimeSource(), addresses: Int = 4) -> ClientLimiter {
        var limits = CallbackLimits()
        limits.connectionsPerAddress = 2
        limits.requestsPerSecond = 1
        limits.burst = 2
        limits.addresses = addresses
        return ClientLimiter(limits: limits, time: time)
    }

    private func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1) }

    @Test func `addresses beyond the table share one count and release their share`() throws {
        let time = ManualTimeSource()
        let limiter = limiter(time)
        let first = try (1...4).compactMap { limiter.open(try address("192.0.2.\($0)")) }
        #expect(first.count == 4)
        // The table is full: these two share a count, and a third must wait.
        let shared = try (5...7).map { limiter.open(try address("192.0.2.\($0)")) }
        #expect(shared.map { $0 == nil } == [false, false, true])
        for ticket in first + shared.compactMap(\.self) { limiter.close(ticket) }
        time.advance(by: .seconds(10))
        // In any order of opening and closing, all places become free again.
        for number in 1...9 {
            let own = try address("198.51.100.\(number)")
            let tickets = (0..<3).map { _ in limiter.open(own) }
            #expect(tickets.map { $0 == nil } == [false, false, true], "\(number)")
            for ticket in tickets.compactMap(\.self) { limiter.close(ticket) }
        }
    }

    @Test func `addresses of one IPv6 network share a count, IPv4 addresses do not`() throws {
        let limiter = limiter()
        #expect(limiter.admit(try address("2001:db8:0:1::1")))
        #expect(limiter.admit(try address("2001:db8:0:1:ffff::2")))
        #expect(!limiter.admit(try address("2001:db8:0:1::3")))
        #expect(limiter.admit(try address("2001:db8:0:2::1")))
        for number in 1...2 { #expect(limiter.admit(try address("::ffff:192.0.2.\(number)"))) }
    }

    @Test(arguments: ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    func `a loopback proxy is not counted as one address`(text: String) throws {
        let limiter = limiter()
        for _ in 0..<20 {
            #expect(limiter.admit(try address(text)))
            #expect(limiter.open(try address(text)) == .uncounted)
        }
    }
}
