import LocalAPI
import TaskEngine
import Testing

@testable import Daemon

@Suite struct DashboardSettingsTests {
    private func load(_ settings: [String: String]) throws(DaemonError) -> DashboardSettings {
        var environment = ["HOME": "/h"]
        for (name, value) in settings { environment["POLLUX_DASHBOARD_\(name)"] = value }
        return try SettingsLoader.load(flags: DaemonFlags(), environment: environment).dashboard
    }

    private func message(_ settings: [String: String]) -> String {
        do throws(DaemonError) {
            _ = try load(settings)
            return "it was accepted"
        } catch {
            return error.message
        }
    }

    @Test func `the dashboard is off until it has an address`() throws {
        #expect(try load([:]).listen == nil)
        let settings = try load(["LISTEN": "127.0.0.1:8485", "HOSTS": "pollux.local, other.local"])
        #expect(settings.listen?.description == "127.0.0.1:8485")
        #expect(settings.hosts == ["pollux.local", "other.local"])
    }

    @Test(arguments: ["127.0.0.1:1", "localhost:8485", "[::1]:8485", "127.1.2.3:1"])
    func `an address of this machine needs neither certificate nor proxy`(address: String) throws {
        #expect(try load(["LISTEN": address]).listen?.description == address)
    }

    @Test(arguments: ["0.0.0.0:8485", "192.168.1.5:8485", "[::]:8485", "pollux.example:8485"])
    func `a public address is refused without TLS or a named proxy`(address: String) throws {
        let refusal = message(["LISTEN": address])
        #expect(refusal.contains("dashboard.listen is \(address)") && refusal.contains("dashboard.public_url"))
        // Names alone are no encryption.
        #expect(message(["LISTEN": address, "HOSTS": "pollux.example"]) == refusal)
        #expect(try load(["LISTEN": address, "CERTIFICATE_FILE": "/c", "KEY_FILE": "/k"]).certificateFile == "/c")
        let proxied = try load(["LISTEN": address, "PUBLIC_URL": "https://pollux.example/"])
        #expect(proxied.publicURL == "https://pollux.example")
        #expect(
            message(["LISTEN": address, "PUBLIC_URL": "http://pollux.example"]).contains("must begin with https://"))
    }

    @Test func `settings without effect are refused, and invalid ones by their rule`() {
        #expect(message(["PUBLIC_URL": "https://a.example"]).contains("dashboard.listen is not"))
        #expect(message(["CERTIFICATE_FILE": "/c", "KEY_FILE": "/k"]).contains("dashboard.listen is not"))
        #expect(message(["LISTEN": "127.0.0.1:1", "KEY_FILE": "/k"]).contains("One is missing"))
        for (name, value) in [
            ("LISTEN", "8485"), ("HOSTS", "a:80"), ("HOSTS", "http://a"), ("PUBLIC_URL", "https://a.example/path"),
            ("PUBLIC_URL", "a.example"), ("PUBLIC_URL", "https://u:p@a.example"),
        ] {
            let refusal = message([name: value])
            #expect(refusal.contains("must be") || refusal.contains("must not contain a user"), "\(name) \(value)")
        }
    }
}
