import Foundation
import Glibc

/// A network namespace that stands for a host, with one line to the database and one to the provider.
///
/// A line that is cut loses packets without a word, as a broken switch does. An interface that is down would tell both ends.
final class TestHost: Sendable {
    enum Line: Int, CaseIterable { case database, provider }
    /// Which packets are lost, as the host sees it.
    enum Loss: CaseIterable { case sent, received, both }

    /// Whether this user may create network namespaces. `POLLUX_MACHINES_MINUTES` makes it a failure if not.
    static let isPossible: Bool = {
        if ProcessInfo.processInfo.environment["POLLUX_MACHINES_MINUTES"] != nil { return true }
        let name = "pollux-\(getpid())"
        guard getuid() == 0, (try? ip(["netns", "add", name])) != nil else { return false }
        defer { try? ip(["netns", "delete", name]) }
        return (try? ip(["netns", "exec", name, "true"])) != nil
    }()

    /// What a test says where it is not possible.
    static let whatIsNeeded = "network namespaces need root, and the package iproute2"

    private let number: Int
    let name: String

    /// Creates the host. `number` must be less than 32.
    init(_ number: Int) throws {
        self.number = number
        name = "pollux-\(getpid())-\(number)"
        try ip(["netns", "add", name])
        try ip(["-n", name, "link", "set", "lo", "up"])
        for line in Line.allCases {
            let (near, far) = (interface(of: line), "line\(line.rawValue)")
            // Perhaps a test was killed.
            try? ip(["link", "delete", near])
            try ip(["link", "add", near, "type", "veth", "peer", "name", far, "netns", name])
            try ip(["link", "set", near, "address", hardware(of: line, isNear: true)])
            try ip(["-n", name, "link", "set", far, "address", hardware(of: line, isNear: false)])
            try ip(["address", "add", "\(address(of: line))/30", "dev", near])
            try ip(["-n", name, "address", "add", "\(prefix(of: line)).2/30", "dev", far])
            try ip(["link", "set", near, "up"])
            try ip(["-n", name, "link", "set", far, "up"])
            try mend(line)
        }
    }

    deinit {
        // The namespace is deleted later than this returns.
        for line in Line.allCases { try? ip(["link", "delete", interface(of: line)]) }
        try? ip(["netns", "delete", name])
    }

    /// The address at which the host reaches this machine by that line, from the block for tests of networks
    /// (https://www.rfc-editor.org/rfc/rfc2544#appendix-C.2.2).
    func address(of line: Line) -> String { "\(prefix(of: line)).1" }

    /// Runs a program on the host.
    func launch(_ arguments: [String], environment: [String: String]) throws -> ChildProcess {
        try ChildProcess(
            ["ip", "netns", "exec", name, ChildProcess.pollux] + arguments, of: "/usr/bin/env",
            environment: environment.merging(["PATH": searchPath]) { $1 })
    }

    func cut(_ line: Line, losing loss: Loss) throws {
        if loss != .received { try direct(line, isNear: false, to: "02:00:00:00:00:ff") }
        if loss != .sent { try direct(line, isNear: true, to: "02:00:00:00:00:ff") }
    }

    func mend(_ line: Line) throws {
        try direct(line, isNear: false, to: hardware(of: line, isNear: true))
        try direct(line, isNear: true, to: hardware(of: line, isNear: false))
    }

    /// Sets the hardware address to which one end of the line sends its packets.
    private func direct(_ line: Line, isNear: Bool, to hardware: String) throws {
        let entry = ["lladdr", hardware, "nud", "permanent"]
        if isNear {
            try ip(["neighbour", "replace", "\(prefix(of: line)).2", "dev", interface(of: line)] + entry)
        } else {
            try ip(
                ["-n", name, "neighbour", "replace", address(of: line), "dev", "line\(line.rawValue)"] + entry)
        }
    }

    private func prefix(of line: Line) -> String { "198.18.\(number * 8 + line.rawValue)" }
    private func interface(of line: Line) -> String { "plx\(number)l\(line.rawValue)" }
    private func hardware(of line: Line, isNear: Bool) -> String {
        "02:00:00:00:\(String(16 + number * 2 + line.rawValue, radix: 16)):0\(isNear ? 1 : 2)"
    }
}

private let searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"

/// Runs the program `ip`. Throws what it says if it fails.
private func ip(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["ip"] + arguments
    process.environment = ["PATH": searchPath]
    let errors = Pipe()
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, errors)
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw TooLate(description: "ip \(arguments.joined(separator: " ")): \(text)")
    }
}
