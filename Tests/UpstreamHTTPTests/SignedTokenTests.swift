import TaskModel
import Testing

@testable import UpstreamHTTP

@Suite struct SignedTokenTests {
    /// Computed with Python's hmac and base64 from the same texts.
    private static let expected =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
        + ".eyJpc3MiOiJBSyIsImV4cCI6MTc5NTAwMTgwMCwibmJmIjoxNzk0OTk5OTk1fQ"
        + ".96FjZkhCdvtGV3cC79MuwYiJc_L4X9N8Rfwl-L89Ghk"

    @Test func `a token has the standard signature, and the secret may contain colons`() {
        let now = Timestamp(milliseconds: 1_795_000_000_900)
        #expect(SignedToken.make(from: "AK:SK:with:colons", lifetime: .seconds(1_800), now: now) == Self.expected)
    }

    @Test(arguments: ["AK:SK", "a-longer-key:SK", "key-with-\"quotes\":SK", "k1:SK", "k12:SK"])
    func `tokens from the same keys share a prefix that no other token has`(keys: String) throws {
        let beginning = try #require(SignedToken.beginning(of: keys))
        for seconds in [0, 999_999_999, 1_795_000_000] as [Int64] {
            let now = Timestamp(milliseconds: seconds * 1_000)
            #expect(SignedToken.make(from: keys, lifetime: .seconds(60), now: now)?.hasPrefix(beginning) == true)
            #expect(SignedToken.make(from: "x" + keys, lifetime: .seconds(60), now: now)?.hasPrefix(beginning) == false)
        }
        #expect(beginning.count > 40)
    }

    @Test(arguments: ["", "AK", ":", "AK:"])
    func `a secret that is not a key pair signs nothing`(keys: String) {
        #expect(SignedToken.make(from: keys, lifetime: .seconds(1), now: Timestamp(milliseconds: 0)) == nil)
        #expect(SignedToken.beginning(of: keys) == nil)
    }
}
