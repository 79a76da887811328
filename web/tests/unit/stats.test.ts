import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { billions, microsPerBeat, parseStats, rates, sparkline, withSample, type Sample } from "../../src/features/settings/stats";

const stats = { accounts: 10, online: 4, connections: 6, subscriptions: 12, heartbeats: 100, cpu_ms: 500, uptime_ms: 60_000 };
const sample = (s: number, heartbeats: number, cpu_ms = 0): Sample => ({ ...stats, heartbeats, cpu_ms, uptime_ms: s * 1000, at: s * 1000 });

describe("the server's answer", () => {
  test("is read", () => assert.deepEqual(parseStats({ ...stats, more: "x" }), stats));
  for (const wrong of [null, "x", [], {}, { ...stats, online: "4" }, { ...stats, cpu_ms: -1 }, { ...stats, heartbeats: Number.NaN }]) {
    test(`is not ${JSON.stringify(wrong)}`, () => assert.equal(parseStats(wrong), null));
  }
});

describe("over the last minute", () => {
  test("older samples go, but for the one before it", () => {
    let samples: Sample[] = [];
    for (let s = 0; s <= 100; s++) samples = withSample(samples, sample(s, s));
    assert.deepEqual([samples[0]?.at, samples.length], [40_000, 61]);
  });
  test("a server that was started anew begins anew", () => {
    assert.equal(withSample([sample(10, 50)], sample(1, 2)).length, 1);
    assert.equal(withSample([sample(10, 50)], sample(11, 2)).length, 1);
  });
  test("rates are differences", () => assert.deepEqual(rates([sample(0, 0), sample(1, 10), sample(3, 50)]), [10, 20]));
  test("two samples of one moment have none", () => assert.deepEqual(rates([sample(1, 0), sample(1, 10)]), []));
  test("the cost of a heartbeat", () => {
    assert.equal(microsPerBeat([sample(0, 0, 100), sample(60, 1000, 130)]), 30);
    assert.equal(microsPerBeat([sample(0, 5, 100), sample(60, 5, 130)]), null);
    assert.equal(microsPerBeat([]), null);
  });
});

test("two billion people", () => {
  assert.deepEqual(billions(30), { beatsPerS: 2e9 / 30, cores: 2000, bytes: 4e11 });
  assert.equal(billions(null).cores, null);
});

test("the line ends at the right edge and reaches the top", () => {
  assert.equal(sparkline([], 100, 10, 5), "");
  assert.equal(sparkline([0, 4, 2], 100, 10, 5), "50.0,10.0 75.0,0.0 100.0,5.0");
  assert.equal(sparkline([0], 100, 10, 1), "100.0,10.0");
});
