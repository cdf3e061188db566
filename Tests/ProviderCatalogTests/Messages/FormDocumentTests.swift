import ProviderCatalog
import Testing
import VerbatimJSON

@Suite struct FormDocumentTests {
    @Test(arguments: [
        ("id=1&status=done", #"{"id":"1","status":"done"}"#),
        ("prompt=a+red%20fox%21&n=", #"{"prompt":"a red fox!","n":""}"#),
        ("success=true&cached=false&progress=35", #"{"success":true,"cached":false,"progress":"35"}"#),
        ("id=1&data=%7B%22url%22%3A%22u%22%7D", #"{"id":"1","data":{"url":"u"}}"#),
        ("urls=%5B%22a%22%2C%22b%22%5D&id=1", #"{"urls":["a","b"],"id":"1"}"#),
        ("url=a&url=b&url=c", #"{"url":["a","b","c"]}"#),
        ("payload=%7B%22id%22%3A1.0%7D", #"{"id":1.0}"#),
        ("payload=%7Bno+JSON", #"{"payload":"{no JSON"}"#),
        ("name=caf%C3%A9&&", #"{"name":"café"}"#),
    ])
    func `a form is read as a document`(form: String, document: String) throws {
        #expect(FormDocument.read(Array(form.utf8)) == (try JSONValue(parsing: document)))
    }

    @Test(arguments: [
        "", "&", "hello", "=x", "a=%", "a=%zz", "a=%4", "a=%FF", #"{"a": "b=c"}"#.replacing("=", with: ""),
    ])
    func `an invalid form is rejected`(text: String) {
        #expect(FormDocument.read(Array(text.utf8)) == nil)
    }
}
