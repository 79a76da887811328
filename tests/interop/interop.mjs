// Drives Sotto's crypto crate (a Rust program speaking JSON lines) against Signal's official library in this process, and
// stops at the first difference. What travels is what travels on Sotto's wire: padded `Content` inside libsignal messages.
//
// Ann is Sotto's, Sam is Signal's. Both sides begin sessions from bundles with and without one-time keys (PQXDH).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import * as signal from '@signalapp/libsignal-client';

const [program] = process.argv.slice(2);
assert.ok(program, 'usage: node interop.mjs PROGRAM');

const ANN = { account: 'a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1', device: 1 };
const SAM = { account: 'b2b2b2b2-b2b2-b2b2-b2b2-b2b2b2b2b2b2', device: 3 };
const NOW = 1_763_000_000_000;
const RATCHET = 1; // CIPHERTEXT_TYPE_RATCHET
const PREKEY = 2; // CIPHERTEXT_TYPE_PREKEY

const encode = bytes => Buffer.from(bytes).toString('base64');
const decode = text => new Uint8Array(Buffer.from(text, 'base64'));
const uuidBytes = uuid => new Uint8Array(Buffer.from(uuid.replaceAll('-', ''), 'hex'));
const address = ({ account, device }) => signal.ProtocolAddress.new(account, device);

// One request at a time; answers come in order.
class Sotto {
  constructor(path) {
    this.process = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  async call(op, fields = {}) {
    this.process.stdin.write(`${JSON.stringify({ op, now: NOW, ...fields })}\n`);
    const { value, done } = await this.lines.next();
    assert.ok(!done, `the program ended at ${op}`);
    return JSON.parse(value);
  }

  async must(op, fields) {
    const answer = await this.call(op, fields);
    assert.equal(answer.error, undefined, `${op}: ${answer.error}`);
    return answer;
  }

  end() {
    this.process.stdin.end();
  }
}

// `Content` of content.proto, as far as this test needs it.
function contentOf(from, to, text) {
  const varint = value => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const bytes = (field, value) => [...varint((field << 3) | 2), ...varint(value.length), ...value];
  const number = (field, value) => [...varint(field << 3), ...varint(value)];
  return new Uint8Array([
    ...bytes(1, uuidBytes(from.account)),
    ...number(2, from.device),
    ...bytes(3, uuidBytes(to.account)),
    ...number(4, to.device),
    ...bytes(5, randomBytes(16)),
    ...bytes(10, bytes(1, Buffer.from(text))),
  ]);
}

function readContent(content) {
  let at = 0;
  const varint = () => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = content[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const fields = new Map();
  while (at < content.length) {
    const tag = varint();
    if ((tag & 7) === 0) fields.set(tag >>> 3, varint());
    else if ((tag & 7) === 1) at += 8;
    else {
      assert.equal(tag & 7, 2, 'a length-delimited field');
      const length = varint();
      fields.set(tag >>> 3, content.subarray(at, (at += length)));
    }
  }
  const text = fields.get(10);
  assert.equal(text[0], 10, 'Text.body');
  let start = 2;
  while (text[start - 1] >= 128) start += 1;
  return { fields, text: Buffer.from(text.subarray(start)).toString() };
}

function pad(message) {
  const small = Math.ceil((message.length + 1) / 64) * 64;
  const padded = new Uint8Array(small <= 1024 ? small : Math.ceil((message.length + 1) / 512) * 512);
  padded.set(message);
  padded[message.length] = 0x80;
  return padded;
}

function unpad(padded) {
  const end = padded.findLastIndex(byte => byte !== 0);
  assert.equal(padded[end], 0x80, 'the end mark');
  return padded.subarray(0, end);
}

// In-memory stores for Signal's side.
class Sessions extends signal.SessionStore {
  records = new Map();
  async saveSession(name, record) {
    this.records.set(name.toString(), record.serialize());
  }
  async getSession(name) {
    const bytes = this.records.get(name.toString());
    return bytes ? signal.SessionRecord.deserialize(bytes) : null;
  }
  async getExistingSessions(names) {
    return Promise.all(names.map(name => this.getSession(name)));
  }
}

class Identities extends signal.IdentityKeyStore {
  known = new Map();
  pair = signal.IdentityKeyPair.generate();
  registrationId = 4711;
  async getIdentityKey() {
    return this.pair.privateKey;
  }
  async getLocalRegistrationId() {
    return this.registrationId;
  }
  async saveIdentity(name, key) {
    this.known.set(name.toString(), key);
    return signal.IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(name, key) {
    return this.known.get(name.toString())?.equals(key) ?? true;
  }
  async getIdentity(name) {
    return this.known.get(name.toString()) ?? null;
  }
}

function prekeyStore(Base, Record, suffix) {
  return class extends Base {
    records = new Map();
    async [`save${suffix}`](id, record) {
      this.records.set(id, record.serialize());
    }
    async [`get${suffix}`](id) {
      return Record.deserialize(this.records.get(id));
    }
    async removePreKey(id) {
      this.records.delete(id);
    }
    async markKyberPreKeyUsed() {}
  };
}
const PreKeys = prekeyStore(signal.PreKeyStore, signal.PreKeyRecord, 'PreKey');
const SignedPreKeys = prekeyStore(signal.SignedPreKeyStore, signal.SignedPreKeyRecord, 'SignedPreKey');
const KyberPreKeys = prekeyStore(signal.KyberPreKeyStore, signal.KyberPreKeyRecord, 'KyberPreKey');

class SenderKeys extends signal.SenderKeyStore {
  records = new Map();
  async saveSenderKey(sender, distribution, record) {
    this.records.set(`${sender} ${distribution}`, record.serialize());
  }
  async getSenderKey(sender, distribution) {
    const bytes = this.records.get(`${sender} ${distribution}`);
    return bytes ? signal.SenderKeyRecord.deserialize(bytes) : null;
  }
}

class Sam {
  sessions = new Sessions();
  identities = new Identities();
  prekeys = new PreKeys();
  signed = new SignedPreKeys();
  kyber = new KyberPreKeys();
  senderKeys = new SenderKeys();
  nextId = 1;

  async bundle(oneTime) {
    const id = this.nextId++;
    const { privateKey } = this.identities.pair;
    const sign = key => privateKey.sign(key.serialize());
    const signed = signal.PrivateKey.generate();
    const kyber = signal.KEMKeyPair.generate();
    const [signedPublic, kyberPublic] = [signed.getPublicKey(), kyber.getPublicKey()];
    const signedRecord = signal.SignedPreKeyRecord.new(id, NOW, signedPublic, signed, sign(signedPublic));
    await this.signed.saveSignedPreKey(id, signedRecord);
    const kyberRecord = signal.KyberPreKeyRecord.new(id, NOW, kyber, sign(kyberPublic));
    await this.kyber.saveKyberPreKey(id, kyberRecord);
    const bundle = {
      device_id: SAM.device,
      registration_id: this.identities.registrationId,
      signed_prekey: { id, public_key: encode(signedPublic.serialize()), signature: encode(sign(signedPublic)) },
      kyber_prekey: { id, public_key: encode(kyberPublic.serialize()), signature: encode(sign(kyberPublic)) },
    };
    if (oneTime) {
      const key = signal.PrivateKey.generate();
      await this.prekeys.savePreKey(id, signal.PreKeyRecord.new(id, key.getPublicKey(), key));
      bundle.one_time_ec = { id, public_key: encode(key.getPublicKey().serialize()) };
    }
    return bundle;
  }

  async start(bundle, identity) {
    const ec = bundle.one_time_ec;
    const parsed = signal.PreKeyBundle.new(
      bundle.registration_id,
      bundle.device_id,
      ec ? ec.id : null,
      ec ? signal.PublicKey.deserialize(decode(ec.public_key)) : null,
      bundle.signed_prekey.id,
      signal.PublicKey.deserialize(decode(bundle.signed_prekey.public_key)),
      decode(bundle.signed_prekey.signature),
      signal.PublicKey.deserialize(decode(identity)),
      bundle.kyber_prekey.id,
      signal.KEMPublicKey.deserialize(decode(bundle.kyber_prekey.public_key)),
      decode(bundle.kyber_prekey.signature)
    );
    const now = new Date(NOW);
    await signal.processPreKeyBundle(parsed, address(ANN), address(SAM), this.sessions, this.identities, now);
  }

  async encrypt(text) {
    const padded = pad(contentOf(SAM, ANN, text));
    const now = new Date(NOW);
    const message = await signal.signalEncrypt(padded, address(ANN), address(SAM), this.sessions, this.identities, now);
    const type = message.type() === signal.CiphertextMessageType.PreKey ? PREKEY : RATCHET;
    return { type, ciphertext: encode(message.serialize()), text };
  }

  async decrypt({ type, ciphertext }) {
    const bytes = decode(ciphertext);
    const [from, own] = [address(ANN), address(SAM)];
    const padded =
      type === PREKEY
        ? await signal.signalDecryptPreKey(
            signal.PreKeySignalMessage.deserialize(bytes),
            from,
            own,
            this.sessions,
            this.identities,
            this.prekeys,
            this.signed,
            this.kyber
          )
        : await signal.signalDecrypt(signal.SignalMessage.deserialize(bytes), from, own, this.sessions, this.identities);
    assert.equal(padded.length % 64, 0, 'padded to 64 bytes');
    const { fields, text } = readContent(unpad(padded));
    assert.deepEqual(Buffer.from(fields.get(1)), Buffer.from(uuidBytes(ANN.account)), 'sender account');
    assert.deepEqual(Buffer.from(fields.get(3)), Buffer.from(uuidBytes(SAM.account)), 'recipient account');
    assert.deepEqual([fields.get(2), fields.get(4)], [ANN.device, SAM.device], 'sender and recipient device');
    return text;
  }
}

class Pair {
  static async begin(oneTime = 2) {
    const pair = new Pair();
    pair.ann = new Sotto(program);
    pair.sam = new Sam();
    const { identity } = await pair.ann.must('new', { ...ANN, one_time: oneTime });
    pair.annIdentity = identity;
    pair.samIdentity = encode(pair.sam.identities.pair.publicKey.serialize());
    await pair.ann.must('trust', { ...SAM, identity: pair.samIdentity });
    return pair;
  }

  async annStarts(oneTime) {
    const identityKeyPair = encode(this.sam.identities.pair.serialize());
    await this.ann.must('start', { ...SAM, bundle: await this.sam.bundle(oneTime), identity_key_pair: identityKeyPair });
  }

  async samStarts(nth) {
    await this.sam.start(await this.ann.must('bundle', { nth }), this.annIdentity);
  }

  async annWrites(text) {
    return { ...(await this.ann.must('encrypt', { ...SAM, text })), text };
  }

  async annReads(message) {
    const got = await this.ann.must('decrypt', { ...SAM, type: message.type, ciphertext: message.ciphertext });
    assert.equal(got.text, message.text);
    assert.equal(got.version, 4);
  }

  async samReads(message) {
    assert.equal(await this.sam.decrypt(message), message.text);
  }

  end() {
    this.ann.end();
  }
}

// 100 messages: single turns, then bursts of growing length, each burst read in reverse or as sent.
async function converse(pair) {
  let count = 0;
  for (let turn = 0; count < 100; turn += 1) {
    const length = turn < 20 ? 1 : 1 + (turn % 9);
    const annsTurn = turn % 2 === 0;
    const burst = [];
    for (let at = 0; at < length; at += 1, count += 1) {
      const text = `message ${count} ${'x'.repeat((count * 37) % 1500)}`;
      burst.push(annsTurn ? await pair.annWrites(text) : await pair.sam.encrypt(text));
    }
    if (turn % 3 === 0) burst.reverse();
    for (const message of burst) await (annsTurn ? pair.samReads(message) : pair.annReads(message));
  }
}

async function test(name, run) {
  const begun = performance.now();
  await run();
  console.log(`ok   ${name} (${Math.round(performance.now() - begun)} ms)`);
}

for (const oneTime of [true, false]) {
  const keys = oneTime ? 'one-time keys' : 'the last resort';

  await test(`a session begun by Sotto, with ${keys}`, async () => {
    const pair = await Pair.begin();
    await pair.annStarts(oneTime);
    const first = await pair.annWrites('hello Sam');
    assert.equal(first.type, PREKEY);
    await pair.samReads(first);
    await pair.annReads(await pair.sam.encrypt('hello Ann'));
    await converse(pair);
    assert.equal((await pair.annWrites('x')).type, RATCHET);
    pair.end();
  });

  await test(`a session begun by Signal, with ${keys}`, async () => {
    const pair = await Pair.begin(oneTime ? 2 : 0);
    await pair.samStarts(0);
    const first = await pair.sam.encrypt('hello Ann');
    assert.equal(first.type, PREKEY);
    await pair.annReads(first);
    const again = await pair.ann.call('decrypt', { ...SAM, type: first.type, ciphertext: first.ciphertext });
    assert.equal(again.error, 'decrypted before');
    await pair.samReads(await pair.annWrites('hello Sam'));
    await converse(pair);
    pair.end();
  });
}

await test('both begin at once', async () => {
  const pair = await Pair.begin();
  await pair.annStarts(true);
  await pair.samStarts(0);
  const [fromAnn, fromSam] = [await pair.annWrites('a'), await pair.sam.encrypt('b')];
  await pair.annReads(fromSam);
  await pair.samReads(fromAnn);
  await converse(pair);
  pair.end();
});

await test('500 in a row, read in reverse, both ways', async () => {
  const pair = await Pair.begin();
  await pair.annStarts(true);
  await pair.samReads(await pair.annWrites('hello'));
  await pair.annReads(await pair.sam.encrypt('hello'));
  for (const annsTurn of [true, false]) {
    const burst = [];
    for (let at = 0; at < 500; at += 1) {
      burst.push(annsTurn ? await pair.annWrites(`${at}`) : await pair.sam.encrypt(`${at}`));
    }
    for (const message of burst.reverse()) await (annsTurn ? pair.samReads(message) : pair.annReads(message));
  }
  pair.end();
});

await test('sender keys, both ways, out of order', async () => {
  const pair = await Pair.begin();
  const distribution = 'd1d1d1d1-d1d1-41d1-91d1-d1d1d1d1d1d1';
  const id = encode(uuidBytes(distribution));

  const made = await pair.ann.must('group_create', { distribution: id });
  const fromAnn = signal.SenderKeyDistributionMessage.deserialize(decode(made.distribution_message));
  await signal.processSenderKeyDistributionMessage(address(ANN), fromAnn, pair.sam.senderKeys);
  const annWrote = [];
  for (let at = 0; at < 100; at += 1) {
    const { ciphertext } = await pair.ann.must('group_encrypt', { distribution: id, text: `from Ann ${at}` });
    annWrote.push({ ciphertext, text: `from Ann ${at}` });
  }
  for (const { ciphertext, text } of annWrote.reverse()) {
    const padded = await signal.groupDecrypt(address(ANN), pair.sam.senderKeys, decode(ciphertext));
    assert.equal(Buffer.from(unpad(padded)).toString(), text);
  }

  const fromSam = await signal.SenderKeyDistributionMessage.create(address(SAM), distribution, pair.sam.senderKeys);
  await pair.ann.must('group_process', { ...SAM, distribution_message: encode(fromSam.serialize()) });
  const samWrote = [];
  for (let at = 0; at < 100; at += 1) {
    const body = pad(Buffer.from(`from Sam ${at}`));
    const message = await signal.groupEncrypt(address(SAM), distribution, pair.sam.senderKeys, body);
    samWrote.push({ ciphertext: encode(message.serialize()), text: `from Sam ${at}` });
  }
  for (const { ciphertext, text } of samWrote.reverse()) {
    assert.equal((await pair.ann.must('group_decrypt', { ...SAM, ciphertext })).text, text);
  }
  const again = await pair.ann.call('group_decrypt', { ...SAM, ciphertext: samWrote[0].ciphertext });
  assert.equal(again.error, 'decrypted before');
  pair.end();
});

await test('safety numbers', async () => {
  const pair = await Pair.begin();
  const theirs = signal.Fingerprint.new(
    5200,
    2,
    uuidBytes(SAM.account),
    pair.sam.identities.pair.publicKey,
    uuidBytes(ANN.account),
    signal.PublicKey.deserialize(decode(pair.annIdentity))
  );
  const scanned = encode(theirs.scannableFingerprint().toBuffer());
  const ours = await pair.ann.must('safety_number', { ...SAM, identity: pair.samIdentity, scanned });
  assert.equal(ours.digits, theirs.displayableFingerprint().toString());
  assert.equal(ours.equal, true);
  const scannable = signal.ScannableFingerprint._fromBuffer(decode(ours.scannable));
  assert.equal(theirs.scannableFingerprint().compare(scannable), true);
  pair.end();
});

const { version } = (await import('./node_modules/@signalapp/libsignal-client/package.json', { with: { type: 'json' } })).default;
console.log(`Sotto and @signalapp/libsignal-client ${version} understand each other.`);
