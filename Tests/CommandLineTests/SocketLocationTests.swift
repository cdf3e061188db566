import Foundation
import Glibc
import Testing

@testable import pollux

@Suite struct SocketLocationTests {
    @Test func `the socket path comes from the first source that is set`() throws {
        let home = FileManager.default.temporaryDirectory.appending(path: "pollux-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: home + "/.config/pollux", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: home) }
        let file = home + "/.config/pollux/pollux.yaml"
        try Data("socket: ~/file.sock\nstate_directory: /file-state\n".utf8).write(to: URL(filePath: file))
        var environment = [
            "POLLUX_SOCKET": "/s", "XDG_RUNTIME_DIR": home, "POLLUX_STATE_DIR": "/state", "XDG_STATE_HOME": "/xdg",
            "HOME": home,
        ]
        func path(_ option: String? = nil) throws -> String {
            try SocketLocation(option: option, environment: environment).path
        }

        #expect(try path("/o") == "/o")
        #expect(try path() == "/s")
        environment["POLLUX_SOCKET"] = ""
        #expect(try path() == home + "/file.sock")
        try Data("state_directory: /file-state\n".utf8).write(to: URL(filePath: file))
        #expect(try path() == home + "/pollux/pollux.sock")
        environment["XDG_RUNTIME_DIR"] = nil
        #expect(try path() == "/state/pollux.sock")
        environment["POLLUX_STATE_DIR"] = nil
        #expect(try path() == "/file-state/pollux.sock")
        try FileManager.default.removeItem(atPath: file)
        #expect(try path() == "/xdg/pollux/pollux.sock")
        environment["XDG_STATE_HOME"] = "relative"
        #expect(try path() == home + "/.local/state/pollux/pollux.sock")
    }

    @Test func `a socket answers if a process listens there`() throws {
        let path = "/tmp/pollux-\(UInt32.random(in: .min ... .max)).sock"
        #expect(!SocketLocation.answers(path))
        #expect(!SocketLocation.answers("/" + String(repeating: "x", count: 200)))
        let listener = try UnixListener(path: path)
        #expect(SocketLocation.answers(path))
        listener.close()
        #expect(!SocketLocation.answers(path))
        #expect(FileManager.default.fileExists(atPath: path))
        try FileManager.default.removeItem(atPath: path)
    }
}
