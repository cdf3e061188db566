import FoundationEssentials
import NIOSSL
import VerbatimJSON

extension CallbackAPI.Identity {
    /// Reads both files and skips byte order marks.
    func load() throws(CallbackSetUpError) -> TLSConfiguration {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMBytes(try bytes(of: certificateFile, for: "certificate_file"))
        } catch let error as CallbackSetUpError {
            throw error
        } catch {
            throw CallbackSetUpError(
                message: "callbacks.certificate_file: \(certificateFile) contains no PEM certificate.")
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(bytes: try bytes(of: keyFile, for: "key_file"), format: .pem)
        } catch let error as CallbackSetUpError {
            throw error
        } catch {
            throw CallbackSetUpError(
                message: "callbacks.key_file: \(keyFile) contains no PEM private key, or one with a passphrase.")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        return configuration
    }

    private func bytes(of path: String, for setting: String) throws(CallbackSetUpError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CallbackSetUpError(
                message: "callbacks.\(setting): \(path) cannot be read. Does it exist, and may you read it?")
        }
        return Array(data.withoutByteOrderMark)
    }
}
