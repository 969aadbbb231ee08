/** The jobs of the broker. */
import type { JobCard } from '../../../src/rollout/job-card';
import type { Feed } from './feed';
import { JobButtons, JobProgress, StateIcon, useKeptFocus } from './job-parts';
import { countsText, isCurrent, isOpen, jobWhy, percentOf, stateOf, summaryOf, titleOf } from './job-texts';
import { Icon, useTick, Verdict, ViewHead } from './parts';
import { CopyReport } from './report';
import { ago, count, exact, sentences, t } from './texts';
import { useSidebar } from './views';

/** How many cards the strip above the table has at most. */
const MOST = 2;

/** ms between two steps of a countdown. */
const SECOND = 1000;

/** Shows the open jobs above the table. The stylesheet shows one line for all of them where the sidebar is low. */
export function JobStrip() {
  const { feed } = useSidebar();
  const strip = useKeptFocus<HTMLElement>();
  useTick(SECOND);
  const jobs = sorted(feed.jobs.filter(isCurrent));
  const [first] = jobs;
  if (first === undefined) return null;
  const more = jobs.length - MOST;
  return (
    <section ref={strip} class="homie-strip" tabIndex={-1} aria-label={t('jobs')}>
      {jobs.slice(0, MOST).map((job) => (
        <CompactCard key={job.id} job={job} />
      ))}
      {more > 0 && <OpenJobs id="more-jobs" text={count('job.others', more)} />}
      <div class="homie-lowstrip">
        {jobs.length === 1 ? <OneLine job={first} /> : <OpenJobs id="all-jobs" text={summaryOf(jobs)} />}
      </div>
    </section>
  );
}

interface OpenJobsInput {
  readonly id: string;
  readonly text: string;
  /** What is before the text, and gives way to it. */
  readonly title?: string;
}

function OpenJobs({ id, text, title }: OpenJobsInput) {
  const { show } = useSidebar();
  return (
    <button
      type="button"
      class="homie-jobline"
      data-key={id}
      title={[title, text].filter(Boolean).join(' · ')}
      onClick={() => show({ kind: 'jobs' })}
    >
      <Icon name="tasks" />
      {title !== undefined && <strong class="homie-ellipsis">{title}</strong>}
      <span class="homie-ellipsis">{text}</span>
      <Icon name="angle-right" />
    </button>
  );
}

function OneLine({ job }: { readonly job: JobCard }) {
  const { feed } = useSidebar();
  return <OpenJobs id="all-jobs" title={titleOf(job, feed.rows)} text={lineOf(job, feed)} />;
}

function CompactCard({ job }: { readonly job: JobCard }) {
  const { feed, show } = useSidebar();
  const title = titleOf(job, feed.rows);
  const line = lineOf(job, feed);
  return (
    <div class="homie-compact" data-job={job.id} data-state={job.state}>
      <StateIcon job={job} />
      <button
        type="button"
        class="homie-link homie-ellipsis"
        data-key={`job-${job.id}`}
        title={title}
        onClick={() => show({ kind: 'jobs' })}
      >
        {title}
      </button>
      <div class="homie-why homie-ellipsis" title={line}>
        {line}
      </div>
      <JobButtons job={job} compact />
      {isOpen(job) && <JobProgress job={job} />}
    </div>
  );
}

/** Returns the progress of a job, and why it waits or else how many devices are in each state. */
function lineOf(job: JobCard, { rows, now }: Feed): string {
  const what = jobWhy(job, rows, now) || countsText(job) || stateOf(job).label;
  return isOpen(job) ? `${percentOf(job)} · ${what}` : what;
}

/** Shows all jobs, open and lately ended. */
export function Jobs() {
  const { feed, back } = useSidebar();
  const list = useKeptFocus<HTMLDivElement>();
  useTick(SECOND);
  const jobs = sorted(feed.jobs);
  return (
    <section class="homie-view" aria-label={t('jobs')}>
      <ViewHead title={t('jobs')} back={t('back')} onBack={back} />
      <div ref={list} class="homie-cards" tabIndex={-1} role="list" aria-label={t('jobs')}>
        {jobs.map((job) => (
          <FullCard key={job.id} job={job} />
        ))}
      </div>
      {jobs.length === 0 && <p class="homie-note">{t('job.none')}</p>}
    </section>
  );
}

function FullCard({ job }: { readonly job: JobCard }) {
  const { feed } = useSidebar();
  const { label, symbol, tone } = stateOf(job);
  const title = titleOf(job, feed.rows);
  const why = jobWhy(job, feed.rows, feed.now);
  return (
    <div class="homie-card homie-job" role="listitem" data-job={job.id} data-state={job.state} aria-label={title}>
      <div class="homie-title">
        <strong title={title}>{title}</strong>
        <span class="homie-jobword" data-tone={tone}>
          <Icon name={symbol} /> {label}
        </span>
      </div>
      {isOpen(job) && (
        <div class="homie-jobprogress">
          <JobProgress job={job} />
          <span>{percentOf(job)}</span>
        </div>
      )}
      <p class="homie-muted">{countsText(job)}</p>
      {why !== '' && why !== label && (
        <p>
          <Icon name="info-circle" /> {why}
        </p>
      )}
      {/* Without the hint, which is for flows: here are buttons. */}
      {job.error !== undefined && <Verdict verdict="bad" text={sentences(job.error.slice(0, 1))} />}
      <Origin job={job} />
      <div class="homie-jobfoot">
        <JobButtons job={job} />
        <CopyReport id={`copy-report-${job.id}`} about={{ job: job.id }} name={title} />
      </div>
    </div>
  );
}

/** Shows who started a job, and when. */
function Origin({ job: { by, startedAt, endedAt } }: { readonly job: JobCard }) {
  const { feed } = useSidebar();
  return (
    <p class="homie-origin homie-muted">
      {by !== undefined && <span>{t('job.by', { by })}</span>}
      <span title={exact(startedAt)}>{t('job.started', { ago: ago(startedAt, feed.now) })}</span>
      {endedAt !== undefined && <span title={exact(endedAt)}>{t('job.ended', { ago: ago(endedAt, feed.now) })}</span>}
    </p>
  );
}

/** Returns the jobs, the open ones first. */
function sorted(jobs: readonly JobCard[]): JobCard[] {
  return [...jobs].sort((a, b) => Number(isOpen(b)) - Number(isOpen(a)));
}
