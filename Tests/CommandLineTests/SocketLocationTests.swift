import Testing

@testable import pollux

@Suite struct SocketLocationTests {
    @Test func `each source gives way to the one before`() {
        var environment = [
            "POLLUX_SOCKET": "/s", "XDG_RUNTIME_DIR": "/run/user/7", "POLLUX_STATE_DIR": "/state",
            "XDG_STATE_HOME": "/xdg", "HOME": "/home/ada",
        ]
        func path(_ option: String? = nil) -> String { SocketLocation(option: option, environment: environment).path }

        #expect(path("/o") == "/o")
        #expect(path() == "/s")
        environment["POLLUX_SOCKET"] = ""
        #expect(path() == "/run/user/7/pollux/pollux.sock")
        environment["XDG_RUNTIME_DIR"] = nil
        #expect(path() == "/state/pollux.sock")
        environment["POLLUX_STATE_DIR"] = nil
        #expect(path() == "/xdg/pollux/pollux.sock")
        environment["XDG_STATE_HOME"] = nil
        #expect(path() == "/home/ada/.local/state/pollux/pollux.sock")
    }
}
