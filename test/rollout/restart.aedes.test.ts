import { describeWithAedes } from '../support/brokers';
import { restarts } from './restart-suite';

describeWithAedes('a job that goes on after a restart', restarts);
