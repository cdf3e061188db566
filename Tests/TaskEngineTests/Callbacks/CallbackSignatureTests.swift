import Crypto
import FoundationEssentials
import ProviderCatalog
import SQLiteDriver
@testable import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests callback signatures in every declarable form.
@Suite(.timeLimit(.minutes(5))) struct CallbackSignatureTests {
    private static let body = Array(#"{"test": 2432232314}"#.utf8)
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    private func definition(_ lines: String, callback: String = "") -> String {
        """
        provider: own
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 10000
        callback_signature:
        \(lines)
        endpoints:
          image/make:
            submit: {path: "/make", callback: {member: callback_url, id: /task_id}}
            accepted: {id: /task_id}
            poll: {path: "/tasks/{id}", id: /id}
            results: [/url]
            state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
        """
    }

    private func signature(_ lines: String) throws -> CallbackSignature {
        let catalog = try ProviderCatalog(definitions: [("own.yaml", definition(lines))])
        return try #require(catalog.provider("own")?.callbackSignature)
    }

    private static let standard = """
          algorithm: hmac_sha256
          secret: OWN_SECRET
          secret_form: whsec
          header: Webhook-Signature
          form: "v1,{base64}"
          over: "{webhook-id}.{webhook-timestamp}.{body}"
          timestamp: webhook-timestamp
          tolerance_seconds: 300
        """
    private static let stamped = """
          algorithm: hmac_sha256
          secret: OWN_SECRET
          header: ElevenLabs-Signature
          form: "t={timestamp},v0={hex}"
          over: "{timestamp}.{body}"
          tolerance_seconds: 1800
        """
    /// The signature of `1614265330.{"a":1}`, computed with Python's hmac.
    private static let stampedDigits = "0b3080349de1beba9929841ead6c3ea6775b8a424992d70df8620081a41bb3db"

    /// The example of the Standard Webhooks specification.
    private static let headers = [
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
        "webhook-signature": "v2,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ]
    private static let then = Timestamp(milliseconds: 1_614_265_330_000)

    @Test func `the example of Standard Webhooks is valid, and any change makes it invalid`() throws {
        let signature = try signature(Self.standard)
        func isGood(
            _ body: [UInt8] = Self.body, _ headers: [String: String] = Self.headers, secret: String = Self.secret,
            after seconds: Int = 0
        ) -> Bool {
            signature.isGood(of: body, headers: headers, secret: secret, now: Self.then + .seconds(seconds))
        }
        #expect(isGood())
        #expect(isGood(after: 299) && isGood(after: -299))
        #expect(!isGood(after: 301) && !isGood(after: -301))
        #expect(!isGood(Self.body + [32]))
        #expect(!isGood(secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"))
        #expect(!isGood(secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        for name in Self.headers.keys {
            var headers = Self.headers
            headers[name] = nil
            #expect(!isGood(Self.body, headers), "\(name)")
            headers[name] = "1614265331"
            #expect(!isGood(Self.body, headers), "\(name)")
        }
    }

    @Test func `timestamp and signature may be in one header field`() throws {
        let signature = try signature(Self.stamped)
        let digits = Self.stampedDigits
        func isGood(_ value: String) -> Bool {
            signature.isGood(
                of: Array(#"{"a":1}"#.utf8), headers: ["elevenlabs-signature": value], secret: "whsec-x", now: Self.then
            )
        }
        #expect(isGood("t=1614265330,v0=\(digits)"))
        for value in ["t=1614265331,v0=\(digits)", "v0=\(digits)", "t=1614265330,v0=", digits, "", "t=,v0=\(digits)"] {
            #expect(!isGood(value), "\(value)")
        }
    }

    @Test func `several signatures may be in one header field, in any list format`() throws {
        let stamped = try signature(Self.stamped)
        let digits = Self.stampedDigits
        let other = String(repeating: "0", count: 64)
        for value in [
            "t=1614265330, v0=\(digits)", "t=1614265330 ,v0=\(digits) ", "t=1614265330;v0=\(digits)",
            "t=1614265330,v0=\(other),v0=\(digits)", "t=1614265330, v0=\(digits), v0=\(other)",
            "v0=\(digits),t=1614265330", "t=1614265330,v1=\(other),v0=\(digits)", "t=\"1614265330\",v0=\"\(digits)\"",
            "t=1614265329,v0=\(other), t=1614265330,v0=\(digits)",
        ] {
            #expect(
                stamped.isGood(
                    of: Array(#"{"a":1}"#.utf8), headers: ["elevenlabs-signature": value], secret: "whsec-x",
                    now: Self.then), "\(value)")
        }
        for value in [
            "t=1614265330,v0=\(other), t=1614265331,v0=\(digits)", "v0=\(digits)", "t=1614265330,v1=\(digits)",
            "t=1614265330,v0=\(digits)0", "t=1614265330", ",", "=", "t=,v0=\(digits)",
        ] {
            #expect(
                !stamped.isGood(
                    of: Array(#"{"a":1}"#.utf8), headers: ["elevenlabs-signature": value], secret: "whsec-x",
                    now: Self.then), "\(value)")
        }
        let standard = try signature(Self.standard)
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        for value in [
            good, " \(good) ", "v1, g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,AAAA, \(good)",
            "v1,AAAA,\(good)", "\(good);v2,AAAA",
        ] {
            var headers = Self.headers
            headers["webhook-signature"] = value
            #expect(standard.isGood(of: Self.body, headers: headers, secret: Self.secret, now: Self.then), "\(value)")
        }
        let echo = try signature("  {algorithm: echo, secret: OWN_SECRET, header: X-Webhook-Auth}")
        for (value, isGood) in [
            (" s3cret", true), ("old, s3cret", true), ("s3cret,s3cret", true), ("s3 cret", false), ("", false),
        ] {
            #expect(
                echo.isGood(of: [], headers: ["x-webhook-auth": value], secret: "s3cret", now: Self.then) == isGood,
                "\(value)")
        }
    }

    @Test func `a signature may cover the compressed or the decoded body`() async throws {
        for (signed, isGood) in [("plain", true), ("packed", true), ("neither", false)] {
            let world = try await EngineWorld(
                definition: definition(
                    """
                      {algorithm: hmac_sha256, secret: OWN_SECRET, header: X-Sign, form: "{hex}", over: "{body}"}
                    """), callbacksAt: "https://pollux.example", callbackSecrets: ["own": "key"])
            world.provider.play { _ async throws(UpstreamTransportError) in throw .interrupted("reset") }
            let id = try await world.submit()
            _ = try await world.engine.submitter.step()
            let url = try #require(world.provider.paid.last?.body["callback_url"]?.string)
            let content = (["task_id": "r-1", "status": "ok", "url": "https://cdn.example/1.png"] as JSONValue).utf8
            let packed = Array("as it was packed".utf8)
            let about = ["plain": content, "packed": packed][signed] ?? []
            let code = HMAC<SHA256>.authenticationCode(for: about, using: SymmetricKey(data: Array("key".utf8)))
            let answer = try await world.engine.callbacks.deliver(
                CallbackBody(content, encodedAs: packed),
                headers: ["x-sign": code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()],
                to: String(url.split(separator: "/").last ?? ""))
            #expect(answer == .taken)
            #expect((try await world.task(id).callbacks.finalAt != nil) == isGood, "\(signed)")
        }
    }

    @Test func `an Ed25519 signature may cover the body's digest`() throws {
        let signature = try signature(
            """
              algorithm: ed25519
              secret: OWN_KEY
              secret_form: base64
              header: x-fal-webhook-signature
              form: "{hex}"
              over: "{x-fal-webhook-request-id}\\n{x-fal-webhook-user-id}\\n{x-fal-webhook-timestamp}\\n{body_sha256}"
              timestamp: x-fal-webhook-timestamp
              tolerance_seconds: 300
            """)
        let key = Curve25519.Signing.PrivateKey()
        let hex = { (bytes: [UInt8]) in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let message = "r\nu\n1614265330\n" + hex(Array(SHA256.hash(data: Self.body)))
        var headers = [
            "x-fal-webhook-request-id": "r", "x-fal-webhook-user-id": "u", "x-fal-webhook-timestamp": "1614265330",
            "x-fal-webhook-signature": hex(Array(try key.signature(for: Array(message.utf8)))),
        ]
        let secret = key.publicKey.rawRepresentation.base64EncodedString()
        #expect(signature.isGood(of: Self.body, headers: headers, secret: secret, now: Self.then))
        let other = Curve25519.Signing.PrivateKey().publicKey.rawRepresentation.base64EncodedString()
        #expect(!signature.isGood(of: Self.body, headers: headers, secret: other, now: Self.then))
        headers["x-fal-webhook-user-id"] = "v"
        #expect(!signature.isGood(of: Self.body, headers: headers, secret: secret, now: Self.then))
    }

    @Test func `a header field may repeat the secret as signature`() throws {
        let signature = try signature("  {algorithm: echo, secret: OWN_SECRET, header: X-Webhook-Auth}")
        #expect(signature.isGood(of: [], headers: ["x-webhook-auth": "s3cret"], secret: "s3cret", now: Self.then))
        for headers in [[:], ["x-webhook-auth": ""], ["x-webhook-auth": "s3cre"], ["x-webhook-auth": "s3cret1"]] {
            #expect(!signature.isGood(of: [], headers: headers, secret: "s3cret", now: Self.then))
        }
    }

    @Test(arguments: [
        ("  {algorithm: hmac_sha1, secret: A, header: h}", "algorithm"),
        ("  {algorithm: echo, secret: \"not a name\", header: h}", "secret"),
        ("  {algorithm: echo, secret: A}", "header"),
        ("  {algorithm: echo, secret: A, header: h, form: \"{hex}\"}", "form"),
        ("  {algorithm: hmac_sha256, secret: A, header: h, over: \"{body}\"}", "form"),
        ("  {algorithm: hmac_sha256, secret: A, header: h, form: \"{hex}{base64}\", over: \"{body}\"}", "form"),
        ("  {algorithm: hmac_sha256, secret: A, header: h, form: \"{hex}\", over: \"{id}\"}", "over"),
        (
            "  {algorithm: hmac_sha256, secret: A, header: h, form: \"{hex}\", over: \"{body}\", tolerance_seconds: 9}",
            "timestamp"
        ),
        ("  {algorithm: echo, secret: A, header: h, colour: red}", "colour"),
    ])
    func `an invalid signature definition is refused with its field`(lines: String, field: String) {
        let error = #expect(throws: CatalogError.self) { try signature(lines) }
        #expect(error?.message.contains(field) == true, "\(error?.message ?? "")")
    }

    @Test func `an unsigned body only supplies the remote id`() async throws {
        let world = try await EngineWorld(
            definition: definition("  {algorithm: echo, secret: OWN_SECRET, header: X-Auth}"),
            callbacksAt: "https://pollux.example", callbackSecrets: ["own": "s3cret"])
        world.provider.play { _ async throws(UpstreamTransportError) in throw .interrupted("reset") }
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let url = try #require(world.provider.paid.last?.body["callback_url"]?.string)
        let token = String(url.split(separator: "/").last ?? "")
        let body = CallbackBody(
            (["task_id": "r-1", "status": "ok", "url": "https://cdn.example/1.png"] as JSONValue).utf8)
        #expect(try await world.engine.callbacks.deliver(body, headers: ["x-auth": "guess"], to: token) == .taken)
        let task = try await world.task(id)
        #expect(task.state == .running && task.remoteID?.text == "r-1" && task.callbacks.finalAt == nil)
        #expect(try await world.engine.callbacks.deliver(body, headers: ["x-auth": "s3cret"], to: token) == .taken)
        #expect(try await world.task(id).callbacks.finalAt != nil)
    }
}
