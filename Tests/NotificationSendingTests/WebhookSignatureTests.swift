import NotificationSending
import TaskModel
import Testing
import Text

@Suite struct WebhookSignatureTests {
    /// The example of the specification's reference libraries (standard-webhooks, libraries/python/tests).
    @Test func `a signature is that of the reference libraries`() throws {
        let secret = try #require([UInt8](base64: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let headers = WebhookSignature.headers(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", at: Timestamp(milliseconds: 1_614_265_330_999),
            body: Array(#"{"test": 2432232314}"#.utf8), secrets: [secret])
        #expect(headers.map(\.name) == ["webhook-id", "webhook-timestamp", "webhook-signature"])
        #expect(
            headers.map(\.value) == [
                "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ])
    }

    @Test func `while a secret is replaced each of them signs`() {
        let headers = WebhookSignature.headers(
            id: "e-1", at: Timestamp(milliseconds: 0), body: [1], secrets: [[1, 2], [3, 4]])
        let signatures = headers.last?.value.split(separator: " ") ?? []
        #expect(signatures.count == 2)
        #expect(Set(signatures).count == 2)
        #expect(signatures.allSatisfy { $0.hasPrefix("v1,") })
    }

    @Test func `without a secret there is no signature`() {
        let headers = WebhookSignature.headers(id: "e-1", at: Timestamp(milliseconds: 0), body: [], secrets: [])
        #expect(headers.map(\.name) == ["webhook-id", "webhook-timestamp"])
    }
}
