import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { compareScanned } from "../../src/features/contact/scanned";
import { failureOf, NOTES } from "../../src/features/conversation/failure";
import { hexLines, startOfKey } from "../../src/features/details/hex";
import { foreignCharacter, groupsOf, normalize, spaced } from "../../src/features/gate/recovery-code";
import { parseServerInfo } from "../../src/features/gate/server";
import { checkUsername, usernameError } from "../../src/features/gate/username";
import { contactLink, newChatPath, parseContact } from "../../src/features/newchat/link";
import { bits, grade } from "../../src/features/settings/strength";
import { parseRoute } from "../../src/features/shell/route";

describe("usernames", () => {
  const cases: [typed: string, name: string | null][] = [
    ["ann", "ann"],
    ["@Ann", "ann"],
    ["  ann.b_9 ", "ann.b_9"],
    ["a".repeat(32), "a".repeat(32)],
    ["an", null],
    ["", null],
    ["a".repeat(33), null],
    ["ann b", null],
    ["ann-b", null],
    ["@@ann", null],
    ["ann\n", "ann"],
    ["añn", null],
    ["аnn", null],
    ["K\u212Aelvin", null],
    ["ınn", null],
    ["ann\u202e", null],
    ["ann\0", null],
    ["😀😀😀", null],
    ["<b>ann", null],
  ];
  for (const [typed, name] of cases) {
    test(JSON.stringify(typed), () => {
      const checked = checkUsername(typed);
      assert.equal(usernameError(checked) === undefined, name !== null, usernameError(checked));
      if (name !== null) assert.equal(checked.name, name);
    });
  }
  test("an error names the whole character", () => assert.match(usernameError(checkUsername("an😀n")) ?? "", /“😀”/u));
});

describe("recovery codes", () => {
  test("are read as people write them", () => {
    assert.equal(normalize(" k7qm-2xrd – 9wtc\n_h4vn "), "K7QM2XRD9WTCH4VN");
    assert.equal(normalize("oOiIlL"), "001111");
  });
  test("are grouped while they are typed", () => {
    assert.equal(spaced(""), "");
    assert.equal(spaced("k7qm"), "K7QM");
    assert.equal(spaced("k7qm2"), "K7QM 2");
    assert.equal(spaced(spaced("k7qm2xrd9")), "K7QM 2XRD 9");
    assert.ok(spaced("a".repeat(100_000)).length <= 40);
  });
  test("the first foreign character is found whole", () => {
    assert.equal(foreignCharacter(normalize("K7QM")), null);
    assert.equal(foreignCharacter(normalize("K7Qu")), "U");
    assert.equal(foreignCharacter(normalize("K7😀")), "😀");
    assert.equal(foreignCharacter(normalize("é")), "É");
  });
  test("groups", () => assert.deepEqual(groupsOf("AAAA-BBBB"), ["AAAA", "BBBB"]));
});

describe("links of persons and groups", () => {
  const own = "https://chat.example.org";
  /** 97 bytes as base64url. */
  const CODE = "AbC_-09".repeat(19).slice(0, 130);
  test("lead back", () => {
    assert.deepEqual(parseContact(contactLink(own, "ann"), own), { kind: "username", username: "ann" });
    assert.equal(newChatPath("a&b=c#d"), "/new?with=a%26b%3Dc%23d");
  });
  const cases: [text: string, kind: string][] = [
    ["ann", "username"],
    [" @ann ", "username"],
    ["https://chat.example.org/#/u/Ann", "username"],
    ["HTTPS://CHAT.example.org/#/u/ann", "username"],
    ["https://chat.example.org:443/#/u/ann", "username"],
    ["http://chat.example.org/#/u/ann", "other_server"],
    ["https://chat.example.org.evil.example/#/u/ann", "other_server"],
    ["https://chat.example.org@evil.example/#/u/ann", "other_server"],
    ["https://chat.example.org/u/ann", "not_a_link"],
    ["https://chat.example.org/#/u/", "not_a_link"],
    ["https://chat.example.org/#/u/a/../../x", "not_a_link"],
    ["https://chat.example.org/#/u/%61nn", "not_a_link"],
    ["https://chat.example.org/#/u/<script>", "not_a_link"],
    ["javascript:alert(1)#/u/ann", "not_a_link"],
    ["data:text/html,x#/u/ann", "not_a_link"],
    ["sotto://link?v=1", "not_a_link"],
    ["https://", "not_a_link"],
    [`https://chat.example.org/#/g/${CODE}`, "group"],
    [` HTTPS://chat.example.org:443/#/g/${CODE} `, "group"],
    [`https://elsewhere.example/#/g/${CODE}`, "other_server"],
    [`https://chat.example.org@elsewhere.example/#/g/${CODE}`, "other_server"],
    ["https://chat.example.org/#/g/", "not_a_link"],
    [`https://chat.example.org/#/g/${CODE.slice(0, 30)}`, "not_a_link"],
    [`https://chat.example.org/#/g/${CODE.slice(1)}=`, "not_a_link"],
    [`https://chat.example.org/#/g/${CODE}/../u/ann`, "not_a_link"],
    [`https://chat.example.org/#/g/${CODE.repeat(5)}`, "not_a_link"],
    [`https://chat.example.org/g/${CODE}`, "not_a_link"],
    [`javascript:alert(1)#/g/${CODE}`, "not_a_link"],
    [CODE, "username"],
  ];
  for (const [text, kind] of cases) test(`${text}: ${kind}`, () => assert.equal(parseContact(text, own).kind, kind));

  test("the names of one machine are one server, at one port", () => {
    const local = "http://127.0.0.1:8080";
    assert.equal(parseContact("http://localhost:8080/#/u/ann", local).kind, "username");
    assert.equal(parseContact("http://[::1]:8080/#/u/ann", local).kind, "username");
    assert.equal(parseContact("http://localhost:8081/#/u/ann", local).kind, "other_server");
    assert.deepEqual(parseContact(`http://localhost:8080/#/g/${CODE}`, local), { kind: "group", code: CODE });
    assert.equal(parseContact(`http://[::1]:8081/#/g/${CODE}`, local).kind, "other_server");
  });
});

describe("scanned safety numbers", () => {
  const A = "a1".repeat(32);
  const B = "b2".repeat(32);
  const code = (shower: string, other: string, version = "02") => `08${version}12220a20${shower}1a220a20${other}`;
  const own = code(A, B);
  const cases: [what: string, scanned: string, result: string][] = [
    ["theirs", code(B, A), "match"],
    ["theirs, in capitals and with spaces around", ` ${code(B, A).toUpperCase()}\n`, "match"],
    ["our own", own, "own"],
    ["somebody else's", code("c3".repeat(32), A), "mismatch"],
    ["theirs with another of us", code(B, "c3".repeat(32)), "mismatch"],
    ["one of a newer version", code(B, A, "03"), "newer"],
    ["one of an older version", code(B, A, "01"), "not_safety"],
    ["nothing", "", "not_safety"],
    ["one byte short", code(B, A).slice(0, -2), "not_safety"],
    ["half a byte short", code(B, A).slice(0, -1), "not_safety"],
    ["one byte more", `${code(B, A)}00`, "not_safety"],
    ["other fields", code(B, A).replace("1a22", "2222"), "not_safety"],
    ["a contact link", "https://chat.example.org/#/u/ann", "not_safety"],
    ["not hex", "zz".repeat(74), "not_safety"],
    ["a whole book", "ff".repeat(100_000), "not_safety"],
  ];
  for (const [what, scanned, result] of cases) test(`${what}: ${result}`, () => assert.equal(compareScanned(own, scanned), result));
  test("without an own number nothing matches", () => assert.equal(compareScanned("", code(B, A)), "not_safety"));
});

describe("a hex dump", () => {
  test("shows offset, bytes and what can be read of them", () => {
    assert.deepEqual(hexLines("48692020ff0a7f7e21"), [
      { offset: "0000", bytes: "48 69 20 20 ff 0a 7f 7e", ascii: "Hi·····~·".slice(0, 8) },
      { offset: "0008", bytes: "21", ascii: "!" },
    ]);
  });
  test("ends where the bytes end", () => {
    assert.deepEqual(hexLines(""), []);
    assert.deepEqual(hexLines("4"), []);
    assert.equal(hexLines("41zz41")[0]?.bytes, "41");
    assert.equal(hexLines("41".repeat(5)).length, 1);
  });
  test("the start of a key", () => {
    assert.equal(startOfKey("05aabbccddee", 2), "05 aabb ccdd…");
    assert.equal(startOfKey("05aabb", 2), "05 aabb");
    assert.equal(startOfKey("", 2), "");
  });
});

describe("passphrases", () => {
  const cases: [passphrase: string, expected: string][] = [
    ["", "weak"],
    ["password", "weak"],
    ["aaaaaaaaaaaaaaaaaaaaaaaa", "weak"],
    ["1234567890123456", "weak"],
    ["abcdefghijklmnop", "weak"],
    ["hello hello hello hello hello", "weak"],
    ["monkey dragon42!", "weak"],
    ["tenor cathedral paper", "fair"],
    ["correct horse battery staple", "good"],
    ["x7#Kq9!vTz2$", "good"],
    ["корабль облако камень река", "good"],
  ];
  for (const [passphrase, expected] of cases) test(`${passphrase}: ${expected}`, () => assert.equal(grade(passphrase), expected, `${bits(passphrase)} bits`));
  test("more of the same never counts as much less", () => {
    for (const passphrase of ["x7#Kq9!", "correct horse battery", "a"]) assert.ok(bits(`${passphrase} piano`) > bits(passphrase));
  });
  test("a very long one is graded at once", () => {
    const began = performance.now();
    grade("ab cd-".repeat(50_000));
    assert.ok(performance.now() - began < 1000);
  });
});

describe("addresses", () => {
  const id = "0192f0c1-7a2b-7c3d-8e4f-5a6b7c8d9e0f";
  const cases: [path: string, route: unknown][] = [
    ["/", { at: "list" }],
    ["", { at: "list" }],
    [`/chat/${id}`, { at: "chat", account: id, panel: null }],
    [`/chat/${id}/info`, { at: "chat", account: id, panel: { kind: "info" } }],
    [`/chat/${id}/message/${id}`, { at: "chat", account: id, panel: { kind: "message", name: id } }],
    [`/chat/${id}/message/x`, { at: "chat", account: id, panel: null }],
    [`/chat/${id.toUpperCase()}`, { at: "list" }],
    ["/chat/__proto__", { at: "list" }],
    ['/chat/"]*{}', { at: "list" }],
    ["/settings", { at: "settings", page: null }],
    ["/settings/", { at: "settings", page: null }],
    ["/settings/about", { at: "settings", page: "about" }],
    ["/new", { at: "new" }],
    ["/new/group", { at: "new_group" }],
    ["/join", { at: "join" }],
    [`/chat/${"a5".repeat(32)}/info`, { at: "chat", account: "a5".repeat(32), panel: { kind: "info" } }],
    [`/chat/${"a5".repeat(31)}`, { at: "list" }],
    [`/chat/${"A5".repeat(32)}`, { at: "list" }],
    ["//evil.example", { at: "list" }],
  ];
  for (const [path, route] of cases) test(JSON.stringify(path), () => assert.deepEqual(parseRoute(path), route));
});

describe("what the server says of itself", () => {
  const said = { version: "0.1.0", registration: "open", server_time_ms: 1 };
  const source = (source_url: unknown) => parseServerInfo({ ...said, source_url })?.source_url;
  test("is read", () => assert.deepEqual(parseServerInfo(said), { ...said, source_url: null }));
  test("its source is an address of the web, or none", () => {
    assert.equal(source("https://code.example/sotto"), "https://code.example/sotto");
    for (const other of ["javascript:alert(1)", "data:text/html,x", "//code.example", "sotto", "", 7, null, {}]) assert.equal(source(other), null);
  });
  for (const other of [null, 7, "open", [], {}, { ...said, version: 1 }, { ...said, registration: "constructor" }, { ...said, server_time_ms: "1" }]) {
    test(`${JSON.stringify(other)} is nothing`, () => assert.equal(parseServerInfo(other), null));
  }
});

describe("why a message failed", () => {
  // The notes are the engine's words: when it changes them, this finds it.
  const engine = ["outbox", "receipts", "trust"].map((name) => readFileSync(join(import.meta.dirname, `../../../crates/engine/src/${name}.rs`), "utf8")).join("");
  for (const note of Object.keys(NOTES)) test(note, () => assert.ok(engine.includes(`"${note}"`)));

  test("in words", () => {
    const why = (note: string | null, message_id: string | null = null) => failureOf({ note, message_id });
    assert.deepEqual(why("this person's account no longer exists"), { what: "Not sent.", why: "This person’s account no longer exists.", final: true });
    assert.deepEqual(why("not delivered: nobody was there to take it for 30 days", "7"), { what: "Not delivered.", why: "Nobody was there to take it.", final: false });
    assert.deepEqual(why("the server refused: too odd"), { what: "Not sent.", why: "The server refused: too odd.", final: false });
    assert.deepEqual(why(null), { what: "Not sent.", why: "", final: false });
    assert.equal(why("constructor").final, false);
  });
});
