/** For developers: how many people are there right now, and what knowing it costs this server. */
import { useEffect, useState } from "react";
import { t } from "../../../strings/developer";
import { wholeNumber } from "../../../ui/time";
import { bytes, duration } from "../format";
import { Group, Page, Row } from "../parts";
import { billions, microsPerBeat, parseStats, rates, sparkline, withSample, type Sample } from "../stats";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const WIDTH = 240;
const HEIGHT = 40;
const POINTS = 60;

type Reading = { state: "asking" | "off" | "ready" | "unreachable"; samples: readonly Sample[] };

/** Asks every second while the page is seen. */
function useStats(): Reading {
  const [reading, setReading] = useState<Reading>({ state: "asking", samples: [] });
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const ask = async () => {
      if (document.visibilityState === "visible") {
        try {
          const answer = await fetch("/v1/developer/stats", { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE_MS)]) });
          const stats = answer.ok ? parseStats(await answer.json()) : null;
          const state = answer.status === 404 ? "off" : stats === null ? "unreachable" : "ready";
          const at = performance.now();
          setReading(({ samples }) => ({ state, samples: stats === null ? samples : withSample(samples, { ...stats, at }) }));
        } catch {
          if (!stop.signal.aborted) setReading(({ samples }) => ({ state: "unreachable", samples }));
        }
      }
      if (!stop.signal.aborted) timer = window.setTimeout(() => void ask(), EVERY_MS);
    };
    void ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, []);
  return reading;
}

const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

export function Developer() {
  const { state, samples } = useStats();
  const last = samples[samples.length - 1];
  return (
    <Page title={t("dev.title")}>
      {state === "asking" && <p role="status">{t("dev.asking")}</p>}
      {state === "off" && (
        <Group>
          <div className="set-row stack">
            <p>{t("dev.off")}</p>
            <pre className="well mono">{"[web]\ndeveloper_stats = true"}</pre>
          </div>
        </Group>
      )}
      {state === "unreachable" && <p role="status">{t("dev.unreachable")}</p>}
      {state !== "off" && last !== undefined && <Numbers last={last} samples={samples} />}
      <Group>
        <Row title={t("dev.docs")} hint={t("dev.docs.hint")}>
          <a className="btn sm" href="/docs" target="_blank" rel="noreferrer">
            {t("dev.docs.open")}
          </a>
        </Row>
      </Group>
    </Page>
  );
}

function Numbers({ last, samples }: { last: Sample; samples: readonly Sample[] }) {
  const beats = rates(samples);
  const rate = oneDigit.format(beats[beats.length - 1] ?? 0);
  const micros = microsPerBeat(samples);
  const all = billions(micros);
  return (
    <>
      <Group title={t("dev.now")}>
        <Figure title={t("dev.online")} hint={t("dev.online.hint")} value={wholeNumber(last.online)} />
        <Figure title={t("dev.offline")} value={wholeNumber(Math.max(0, last.accounts - last.online))} />
        <Figure title={t("dev.connections")} hint={t("dev.connections.hint")} value={wholeNumber(last.connections)} />
        <Figure title={t("dev.subscriptions")} hint={t("dev.subscriptions.hint")} value={wholeNumber(last.subscriptions)} />
        <Figure title={t("dev.uptime")} value={duration(last.uptime_ms)} />
      </Group>
      <Group title={t("dev.cost")}>
        <Row title={t("dev.rate")} hint={t("dev.rate.value", { rate })}>
          <svg
            className="spark"
            viewBox={`-2 -2 ${WIDTH + 4} ${HEIGHT + 4}`}
            role="img"
            aria-label={t("dev.rate.chart", { rate, most: oneDigit.format(Math.max(0, ...beats)) })}
          >
            <polyline points={sparkline(beats.slice(-POINTS), WIDTH, HEIGHT, POINTS)} />
          </svg>
        </Row>
        <Figure title={t("dev.cpu")} hint={t("dev.cpu.hint")} value={micros === null ? t("dev.cpu.none") : t("dev.cpu.value", { micros: oneDigit.format(micros) })} />
      </Group>
      <Group title={t("dev.billions")}>
        <Figure title={t("dev.billions.rate")} value={t("dev.rate.value", { rate: wholeNumber(Math.round(all.beatsPerS)) })} />
        <Figure title={t("dev.billions.cores")} value={all.cores === null ? t("dev.cpu.none") : wholeNumber(Math.ceil(all.cores))} />
        <Figure title={t("dev.billions.memory")} hint={t("dev.billions.memory.hint")} value={bytes(all.bytes)} />
      </Group>
    </>
  );
}

function Figure({ title, hint, value }: { title: string; hint?: string; value: string }) {
  return (
    <Row title={title} hint={hint}>
      <span className="v num">{value}</span>
    </Row>
  );
}
