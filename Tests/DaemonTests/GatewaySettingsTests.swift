import Foundation
import Gateway
import ProviderCatalog
import TaskEngine
import TaskModel
import Testing

@testable import Daemon

@Suite struct GatewaySettingsTests {
    private func load(_ environment: [String: String]) throws(DaemonError) -> DaemonSettings {
        try SettingsLoader.load(
            flags: DaemonFlags(), environment: environment.merging(["HOME": "/h"]) { own, _ in own })
    }

    private func message(_ environment: [String: String]) -> String {
        do throws(DaemonError) {
            _ = try load(environment)
            return "it was accepted"
        } catch {
            return error.message
        }
    }

    @Test func `the gateway is off until it has an address`() throws {
        #expect(try load([:]).gateway.listen == nil)
        #expect(try load([:]).gateway.url == nil)
        let settings = try load(["POLLUX_GATEWAY_LISTEN": "127.0.0.1:8484"])
        #expect(settings.gateway.url == "http://127.0.0.1:8484")
        #expect(settings.gateway.rules.maxBodyBytes == 32 << 20)
        #expect(settings.gateway.rules.retryWindow == .seconds(600))
        #expect(settings.gateway.rules.passesUnknown)
        #expect(settings.gateway.rules.adopts)
    }

    @Test(arguments: ["127.0.0.1:1", "localhost:8484", "[::1]:8484", "127.1.2.3:1"])
    func `an address of this machine needs no certificate`(address: String) throws {
        #expect(try load(["POLLUX_GATEWAY_LISTEN": address]).gateway.listen?.description == address)
    }

    @Test(arguments: ["0.0.0.0:8484", "192.168.1.5:8484", "[::]:8484", "gateway.example:8484"])
    func `a public address is refused without a certificate`(address: String) throws {
        #expect(message(["POLLUX_GATEWAY_LISTEN": address]).contains("without encryption"))
        let files = ["POLLUX_GATEWAY_CERTIFICATE_FILE": "/c", "POLLUX_GATEWAY_KEY_FILE": "/k"]
        let settings = try load(files.merging(["POLLUX_GATEWAY_LISTEN": address]) { own, _ in own })
        #expect(settings.gateway.url?.hasPrefix("https://") == true)
        #expect(
            message(["POLLUX_GATEWAY_LISTEN": address, "POLLUX_GATEWAY_KEY_FILE": "/k"]).contains("One is missing"))
        #expect(message(files).contains("gateway.listen is not"))
    }

    @Test func `the gateway may listen on a socket instead of an address`() throws {
        let settings = try load(["POLLUX_GATEWAY_SOCKET": "/run/pollux/gateway.sock"])
        #expect(settings.gateway.socket == "/run/pollux/gateway.sock")
        #expect(settings.gateway.isOn)
        #expect(settings.gateway.url == nil)
        #expect(
            message(["POLLUX_GATEWAY_SOCKET": "/s/a.sock", "POLLUX_SOCKET": "/s/./a.sock"]).contains("own socket"))
    }

    @Test func `callbacks of programs are delivered unless the settings say otherwise`() throws {
        func destinations(_ environment: [String: String]) throws -> [String] {
            var settings = try load(environment)
            return try Destinations.read(&settings, ProviderCatalog.builtIn()).map(\.name.text)
        }
        #expect(try destinations([:]).isEmpty)
        let on = ["POLLUX_GATEWAY_LISTEN": "127.0.0.1:8484"]
        #expect(try destinations(on) == ["gateway_callbacks"])
        #expect(try destinations(on.merging(["POLLUX_GATEWAY_CALLBACKS": "pass"]) { own, _ in own }).isEmpty)
    }

    @Test func `the other settings are read and checked`() throws {
        let settings = try load([
            "POLLUX_GATEWAY_HOSTS": "host.docker.internal, pollux.local", "POLLUX_GATEWAY_UNKNOWN": "refuse",
            "POLLUX_GATEWAY_ADOPT": "false", "POLLUX_GATEWAY_MAX_BODY_BYTES": "65536",
            "POLLUX_GATEWAY_RETRY_WINDOW_SECONDS": "30", "POLLUX_GATEWAY_CALLBACKS": "pass",
        ]).gateway.rules
        #expect(settings.hosts == ["host.docker.internal", "pollux.local"])
        #expect(!settings.passesUnknown)
        #expect(!settings.adopts)
        #expect(settings.maxBodyBytes == 65_536)
        #expect(settings.retryWindow == .seconds(30))
        #expect(!settings.deliversCallbacks)
        #expect(try load(["POLLUX_GATEWAY_CALLBACKS": "deliver"]).gateway.rules.deliversCallbacks)
        for (name, value) in [
            ("HOSTS", "a:80"), ("HOSTS", "http://a"), ("UNKNOWN", "yes"), ("ADOPT", "1"), ("MAX_BODY_BYTES", "1"),
            ("LISTEN", "8484"), ("CALLBACKS", "yes"), ("RETRY_WINDOW_SECONDS", "0"),
        ] {
            #expect(message(["POLLUX_GATEWAY_\(name)": value]).contains("must be"), "\(name)")
        }
    }
}
