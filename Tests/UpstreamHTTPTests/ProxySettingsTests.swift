import Testing

@testable import UpstreamHTTP

/// Tests which proxy a request uses.
@Suite struct ProxySettingsTests {
    private static let proxied = ["HTTP_PROXY": "http://p.example:3128", "HTTPS_PROXY": "http://q.example:3129"]

    private func way(_ url: String, _ environment: [String: String] = proxied) throws -> String? {
        try ProxySettings(environment: environment).proxy(for: url)?.description
    }

    @Test func `each scheme has its proxy, and without one requests are direct`() throws {
        #expect(try way("http://a.example/x") == "p.example:3128 (HTTP_PROXY)")
        #expect(try way("https://a.example/x") == "q.example:3129 (HTTPS_PROXY)")
        #expect(try way("https://a.example", [:]) == nil)
        #expect(try way("https://a.example", ["HTTP_PROXY": "p.example"]) == nil)
        #expect(try way("https://a.example", ["HTTPS_PROXY": " ", "https_proxy": ""]) == nil)
        #expect(try way("http://a.example", ["HTTP_PROXY": "p.example"]) == "p.example:80 (HTTP_PROXY)")
        #expect(try way("https://a.example", ["https_proxy": "socks5h://[::1]"]) == "[::1]:1080 (https_proxy)")
        #expect(
            try way("http://a.example", ["HTTP_PROXY": "http://big:1", "http_proxy": "http://small:2"])
                == "small:2 (http_proxy)")
    }

    @Test(arguments: ["http://localhost:8080/x", "https://127.0.0.1", "http://127.8.9.1:1/", "https://[::1]:8443/x"])
    func `loopback addresses never use a proxy`(url: String) throws {
        #expect(try way(url) == nil)
    }

    @Test(arguments: [
        ("*", true), ("a.example", true), (".a.example", true), ("*.example", true), ("example", true),
        ("A.Example", true), ("a.example:443", true), ("b.example, a.example", true), ("b.example a.example", true),
        ("a.example:80", false), ("b.example", false), ("xa.example", false), ("ample", false), ("", false),
        ("10.0.0.0/8", false),
    ])
    func `NO_PROXY matches hosts, their subdomains and ports`(list: String, isStraight: Bool) throws {
        for name in ["NO_PROXY", "no_proxy"] {
            let environment = Self.proxied.merging([name: list]) { $1 }
            #expect(try (way("https://a.example/x", environment) == nil) == isStraight)
        }
    }

    @Test(arguments: [
        ("10.0.0.0/8", true), ("10.1.2.3", true), ("10.1.2.3:443", true), ("10.1.2.2/31", true), ("0.0.0.0/0", true),
        ("10.1.2.0/32", false), ("10.1.2.3:80", false), ("11.0.0.0/8", false), ("10.0.0.0/33", false),
    ])
    func `NO_PROXY matches addresses and ranges`(list: String, isStraight: Bool) throws {
        #expect(try (way("https://10.1.2.3/x", Self.proxied.merging(["NO_PROXY": list]) { $1 }) == nil) == isStraight)
    }

    @Test(arguments: [
        "ftp://p.example", "https://p.example", "http://", "http://p.example:0", "http://p.example:99999",
        "http://[::1",
        "socks5://me:secret@p.example", "http://me:secret%ff@p.example",
    ])
    func `an invalid proxy URL is reported without its contents`(text: String) {
        let mistake = #expect(throws: ProxySettings.InvalidProxy.self) {
            try ProxySettings(environment: ["HTTPS_PROXY": text])
        }
        #expect(mistake?.message.contains("HTTPS_PROXY is not a usable proxy") == true)
        #expect(mistake?.message.contains("secret") == false)
    }

    @Test func `the setting replaces both variables and is used for loopback, but NO_PROXY holds`() throws {
        let environment = Self.proxied.merging(["NO_PROXY": "a.example, 127.0.0.2"]) { $1 }
        let proxies = try ProxySettings(environment: environment, setting: "socks5://s.example:9")
        for url in ["http://b.example", "https://b.example", "http://127.0.0.1:80/x", "https://localhost"] {
            #expect(proxies.proxy(for: url)?.description == "s.example:9 (upstream.proxy)", "\(url)")
        }
        for url in ["http://a.example", "https://a.example", "http://127.0.0.2"] {
            #expect(proxies.proxy(for: url) == nil, "\(url)")
        }
    }

    @Test func `an invalid setting is reported by its name without its contents`() {
        let mistake = #expect(throws: ProxySettings.InvalidProxy.self) {
            try ProxySettings(environment: [:], setting: "https://me:secret@p.example")
        }
        #expect(mistake?.message.hasPrefix("upstream.proxy is not a usable proxy") == true)
        #expect(mistake?.message.contains("secret") == false)
    }

    @Test func `credentials are read and never shown`() throws {
        let proxy = try #require(
            try ProxySettings(environment: ["HTTPS_PROXY": "http://me:p%40ss%3aword@p.example:1"]).https)
        #expect(proxy.credentials == "me:p@ss:word")
        #expect(proxy.description == "p.example:1 (HTTPS_PROXY)")
    }
}
