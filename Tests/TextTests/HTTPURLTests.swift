import Testing
import Text

@Suite struct HTTPURLTests {
    @Test(arguments: [
        ("https://api.example/v1", "api.example"), ("HTTPS://API.Example:443", "api.example"),
        ("http://x:80?a", "x"), ("http://x:443", "x:443"), ("http://[::1]:8080/", "[::1]:8080"),
        ("http://a_b-c.example#d", "a_b-c.example"),
    ])
    func `the host has its port unless it is the default one`(text: String, host: String) {
        #expect(HTTPURL(text)?.host == host)
    }

    @Test(arguments: [
        "example.org", "ftp://x", "https://", "https:///v1", "https://user@x", "https://user:pw@x",
        "http://127.0.0.1:80.evil.example", "http://x:99999", "http://x:0", "http://x:", "http://x:+1", "http://[::1",
        "http://[]", "http://[::1]x", "http://a b", "http://x\\@y", "http://exämple.org", "http://a:b:c",
    ])
    func `an ambiguous URL is rejected`(text: String) {
        #expect(HTTPURL(text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.1.2.3:80", true), ("LOCALHOST", true), ("[::1]:80", true), ("example.org", false),
        ("127.0.0.1.evil.example", false), ("127.0.0.1evil.example", false), ("localhost.evil.example", false),
        ("127.0.0.1.5", false), ("127.0.0.256", false), ("[::1:2]", false), ("128.0.0.1", false),
    ])
    func `a host is loopback only if all of it matches`(text: String, isLoopback: Bool) {
        #expect(HostPort(text)?.isLoopback == isLoopback)
    }
}
